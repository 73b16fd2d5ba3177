using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>The SHA-256 hash of a cell, also used as an account id. One type, so that hex, base64 and byte hashes never mix.</summary>
internal readonly struct CellHash : IEquatable<CellHash>, IComparable<CellHash>
{
    public const int Size = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public CellHash(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"A cell hash has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    public byte[] ToArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    public string ToBase64() => Convert.ToBase64String(ToArray());

    /// <summary>Lower-case hexadecimal.</summary>
    public override string ToString() => Convert.ToHexStringLower(ToArray());

    /// <summary>64 hexadecimal digits, or standard or URL base64 of 32 bytes.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out CellHash hash)
    {
        hash = default;
        if (text is null)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Size];
        if (text.Length == 64)
        {
            if (Convert.FromHexString(text, bytes, out _, out int written) != System.Buffers.OperationStatus.Done || written != Size)
            {
                return false;
            }
        }
        else if (text.Length is not (43 or 44)
            || !Convert.TryFromBase64String(text.Replace('-', '+').Replace('_', '/').PadRight(44, '='), bytes, out int decoded)
            || decoded != Size)
        {
            return false;
        }

        hash = new CellHash(bytes);
        return true;
    }

    public bool Equals(CellHash other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d;

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is CellHash other && Equals(other);

    public override int GetHashCode() => _a.GetHashCode();

    public int CompareTo(CellHash other) =>
        _a != other._a ? _a.CompareTo(other._a)
        : _b != other._b ? _b.CompareTo(other._b)
        : _c != other._c ? _c.CompareTo(other._c)
        : _d.CompareTo(other._d);

    public static bool operator ==(CellHash left, CellHash right) => left.Equals(right);

    public static bool operator !=(CellHash left, CellHash right) => !left.Equals(right);
}
