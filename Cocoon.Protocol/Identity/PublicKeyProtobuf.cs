using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Identity;

/// <summary>The key protobufs of the libp2p peer-ids specification, for Ed25519.</summary>
/// <remarks>
/// The specification demands one deterministic encoding (<c>Type</c> = 1, <c>Data</c> = 2, in this order, nothing else), so fixed
/// prefixes are the whole codec.
/// </remarks>
public static class PublicKeyProtobuf
{
    /// <summary>Bytes of an encoded Ed25519 public key.</summary>
    public const int Size = 36;

    private static ReadOnlySpan<byte> PublicPrefix => [0x08, 0x01, 0x12, 0x20];

    private static ReadOnlySpan<byte> PrivatePrefix => [0x08, 0x01, 0x12, 0x40];

    /// <summary>The older form repeats the public key: 96 bytes of data.</summary>
    private static ReadOnlySpan<byte> OldPrivatePrefix => [0x08, 0x01, 0x12, 0x60];

    public static byte[] Encode(Ed25519PublicKey key) => [.. PublicPrefix, .. key.Bytes];

    /// <summary><c>false</c> for every other key type or encoding.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Ed25519PublicKey? key)
    {
        key = bytes.Length == Size && bytes.StartsWith(PublicPrefix) ? new Ed25519PublicKey(bytes[PublicPrefix.Length..]) : null;
        return key is not null;
    }

    /// <summary>Seed and public key; the caller zeroes the result.</summary>
    public static byte[] EncodePrivate(Ed25519PrivateKey key)
    {
        byte[] result = [.. PrivatePrefix, .. stackalloc byte[Ed25519PrivateKey.SeedSize], .. key.PublicKey.Bytes];
        key.ExportSeed(result.AsSpan(PrivatePrefix.Length, Ed25519PrivateKey.SeedSize));
        return result;
    }

    /// <summary><c>false</c> unless it is an Ed25519 key whose public part fits its seed.</summary>
    public static bool TryDecodePrivate(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Ed25519PrivateKey? key)
    {
        key = null;
        bool old = bytes.StartsWith(OldPrivatePrefix);
        if (!old && !bytes.StartsWith(PrivatePrefix))
        {
            return false;
        }

        ReadOnlySpan<byte> data = bytes[PrivatePrefix.Length..];
        if (data.Length != (old ? 96 : 64) || (old && !data[32..64].SequenceEqual(data[64..])))
        {
            return false;
        }

        Ed25519PrivateKey candidate = Ed25519PrivateKey.FromSeed(data[..Ed25519PrivateKey.SeedSize]);
        if (!CryptographicOperations.FixedTimeEquals(candidate.PublicKey.Bytes, data[32..64]))
        {
            candidate.Dispose();
            return false;
        }

        key = candidate;
        return true;
    }
}
