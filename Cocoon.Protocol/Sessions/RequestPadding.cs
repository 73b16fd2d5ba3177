using System.Buffers.Binary;
using System.Numerics;

namespace Cocoon.Protocol.Sessions;

/// <summary>Hides a request's length in a bucket: <c>u32 length ‖ body ‖ zeros</c>, big endian.</summary>
/// <remarks>Buckets are 1, 2, 4, … 64 KiB, above that Padmé lengths (at most 12 % more). There is one padding per body.</remarks>
internal static class RequestPadding
{
    /// <summary>Keeps the whole message under the stream's frame limit of 1 MiB.</summary>
    public const int MaxBody = 896 << 10;

    private const int Header = sizeof(uint);
    private const int Smallest = 1 << 10;
    private const int LargestPower = 64 << 10;

    public static int PaddedLength(int bodyLength)
    {
        int length = bodyLength + Header;
        if (length <= LargestPower)
        {
            return Math.Max(Smallest, (int)BitOperations.RoundUpToPowerOf2((uint)length));
        }

        // Padmé: keep as many leading bits of the length as the length's exponent has bits.
        int exponent = BitOperations.Log2((uint)length);
        int mask = (1 << (exponent - (BitOperations.Log2((uint)exponent) + 1))) - 1;
        return (length + mask) & ~mask;
    }

    /// <exception cref="SessionException">The body is larger than <see cref="MaxBody"/>.</exception>
    public static byte[] Pad(ReadOnlySpan<byte> body)
    {
        ThrowIfTooLarge(body.Length);
        byte[] padded = new byte[PaddedLength(body.Length)];
        body.CopyTo(Begin(padded, body.Length));
        return padded;
    }

    /// <summary>Writes the length of a body and returns where the body goes.</summary>
    /// <param name="padded">Zeros, <see cref="PaddedLength"/> of them.</param>
    public static Span<byte> Begin(Span<byte> padded, int bodyLength)
    {
        BinaryPrimitives.WriteUInt32BigEndian(padded, (uint)bodyLength);
        return padded.Slice(Header, bodyLength);
    }

    /// <exception cref="SessionException">The body is larger than <see cref="MaxBody"/>.</exception>
    public static void ThrowIfTooLarge(int bodyLength)
    {
        if (bodyLength > MaxBody)
        {
            throw new SessionException(SessionErrorCode.TooLarge, $"a sealed request has at most {MaxBody} bytes");
        }
    }

    /// <exception cref="SessionException">Not the one padding of its body.</exception>
    public static ReadOnlyMemory<byte> Unpad(ReadOnlyMemory<byte> padded)
    {
        ReadOnlySpan<byte> span = padded.Span;
        if (span.Length < Smallest)
        {
            throw new SessionException(SessionErrorCode.Malformed, "padding");
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(span);
        if (length > MaxBody
            || length > span.Length - Header
            || PaddedLength((int)length) != span.Length
            || span[(Header + (int)length)..].ContainsAnyExcept((byte)0))
        {
            throw new SessionException(SessionErrorCode.Malformed, "padding");
        }

        return padded.Slice(Header, (int)length);
    }
}
