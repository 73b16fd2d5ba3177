using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Cocoon.Protocol.Sessions;

/// <summary>The salted digests by which a receipt names request and answer without showing them.</summary>
internal static class ReceiptDigests
{
    public const int SaltSize = 16;

    /// <summary><c>SHA-256(salt ‖ request body)</c></summary>
    public static byte[] Request(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> body)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(salt);
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    /// <summary><c>SHA-256(salt ‖ per choice: u32 length, UTF-8 text)</c>, lengths big endian, choices in order.</summary>
    public static byte[] Response(ReadOnlySpan<byte> salt, IEnumerable<string> texts)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(salt);
        Span<byte> length = stackalloc byte[sizeof(uint)];
        foreach (string text in texts)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteUInt32BigEndian(length, (uint)bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        return hash.GetHashAndReset();
    }
}
