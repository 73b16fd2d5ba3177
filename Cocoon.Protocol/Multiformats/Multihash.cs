using System.Security.Cryptography;
using Cocoon.Protocol.Buffers;

namespace Cocoon.Protocol.Multiformats;

/// <summary>Self-describing hashes: uvarint code, uvarint length, digest.</summary>
public static class Multihash
{
    public const int IdentityCode = 0x00;
    public const int Sha256Code = 0x12;

    /// <summary>Longest digest that is accepted from anywhere (go's limit for provider keys is 80 bytes in all).</summary>
    public const int MaxDigestLength = 128;

    /// <summary><c>12 20</c> and the SHA-256 of <paramref name="data"/>.</summary>
    public static byte[] Sha256(ReadOnlySpan<byte> data)
    {
        byte[] result = new byte[2 + SHA256.HashSizeInBytes];
        result[0] = Sha256Code;
        result[1] = SHA256.HashSizeInBytes;
        SHA256.HashData(data, result.AsSpan(2));
        return result;
    }

    /// <summary><c>00</c>, the length and <paramref name="data"/> itself.</summary>
    public static byte[] Identity(ReadOnlySpan<byte> data)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, MaxDigestLength);
        byte[] result = new byte[1 + Varint.GetLength((ulong)data.Length) + data.Length];
        int at = 1 + Varint.Write(result.AsSpan(1), (ulong)data.Length);
        data.CopyTo(result.AsSpan(at));
        return result;
    }

    /// <summary><c>false</c> unless <paramref name="bytes"/> is exactly one multihash; a SHA-256 must have 32 bytes.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out int code, out ReadOnlySpan<byte> digest)
    {
        digest = default;
        return Varint.TryReadInt(ref bytes, out code)
            && Varint.TryReadInt(ref bytes, out int length)
            && length <= MaxDigestLength
            && (code != Sha256Code || length == SHA256.HashSizeInBytes)
            && (digest = bytes).Length == length;
    }
}
