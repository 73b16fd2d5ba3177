using System.Numerics;

namespace Cocoon.Protocol.Cryptography;

/// <summary>
/// Edwards25519 group checks on <em>public</em> points (RFC 8032 §5.1), for the libcrypto fallback. Not constant time, never used with secrets.
/// </summary>
internal static class EdwardsPoint
{
    private static readonly BigInteger P = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger L = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", System.Globalization.CultureInfo.InvariantCulture);
    private static readonly BigInteger D = Mod(-121665 * Inverse(121666));
    private static readonly BigInteger SqrtMinusOne = BigInteger.ModPow(2, (P - 1) / 4, P);

    /// <summary>Canonical, on the curve, of order exactly L.</summary>
    public static bool IsPrimeOrder(ReadOnlySpan<byte> encoded) =>
        TryDecode(encoded, out Extended point) && !IsIdentity(point) && IsIdentity(Multiply(point, L));

    /// <summary>Order 1, 2, 4 or 8, not on the curve, or not canonically encoded.</summary>
    public static bool IsSmallOrderOrInvalid(ReadOnlySpan<byte> encoded) =>
        !TryDecode(encoded, out Extended point) || IsIdentity(Multiply(point, 8));

    private static bool TryDecode(ReadOnlySpan<byte> encoded, out Extended point)
    {
        point = default;
        Span<byte> bytes = stackalloc byte[32];
        encoded.CopyTo(bytes);
        bool odd = (bytes[31] & 0x80) != 0;
        bytes[31] &= 0x7f;
        BigInteger y = new(bytes, isUnsigned: true);
        if (y >= P)
        {
            return false;
        }

        BigInteger u = Mod((y * y) - 1), v = Mod((D * y * y) + 1);
        BigInteger x = Mod(u * BigInteger.ModPow(v, 3, P) * BigInteger.ModPow(u * BigInteger.ModPow(v, 7, P), (P - 5) / 8, P));
        BigInteger check = Mod(v * x * x);
        if (check == Mod(-u))
        {
            x = Mod(x * SqrtMinusOne);
        }
        else if (check != u)
        {
            return false;
        }

        if (x.IsZero && odd)
        {
            return false;
        }

        if (!x.IsEven != odd)
        {
            x = P - x;
        }

        point = new Extended(x, y, BigInteger.One, Mod(x * y));
        return true;
    }

    private static Extended Add(Extended a, Extended b)
    {
        BigInteger e = Mod((a.Y - a.X) * (b.Y - b.X)), f = Mod((a.Y + a.X) * (b.Y + b.X));
        BigInteger g = Mod(2 * a.T * D * b.T), h = Mod(2 * a.Z * b.Z);
        BigInteger i = f - e, j = h - g, k = h + g, l = f + e;
        return new Extended(Mod(i * j), Mod(k * l), Mod(j * k), Mod(i * l));
    }

    private static Extended Multiply(Extended point, BigInteger scalar)
    {
        Extended result = new(BigInteger.Zero, BigInteger.One, BigInteger.One, BigInteger.Zero);
        for (long bit = scalar.GetBitLength() - 1; bit >= 0; bit--)
        {
            result = Add(result, result);
            if (!((scalar >> (int)bit) & 1).IsZero)
            {
                result = Add(result, point);
            }
        }

        return result;
    }

    private static bool IsIdentity(Extended point) => point.X.IsZero && point.Y == point.Z;

    private static BigInteger Inverse(BigInteger value) => BigInteger.ModPow(value, P - 2, P);

    private static BigInteger Mod(BigInteger value)
    {
        BigInteger result = BigInteger.Remainder(value, P);
        return result.Sign < 0 ? result + P : result;
    }

    private readonly record struct Extended(BigInteger X, BigInteger Y, BigInteger Z, BigInteger T);
}
