using System.Numerics;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Adnl;

/// <summary>The client's side of the ADNL/TCP handshake: one message of 256 bytes that carries the stream keys.</summary>
/// <remarks><code>server key id 32 · client public key 32 · SHA-256(params) 32 · AES-256-CTR(params) 160</code></remarks>
internal static class AdnlHandshake
{
    public const int ParametersSize = 160;
    public const int Size = 256;

    private static readonly BigInteger s_prime = (BigInteger.One << 255) - 19;

    /// <summary>SHA-256(<c>pub.ed25519</c> ‖ key): how ADNL names a key.</summary>
    public static CellHash KeyId(ReadOnlySpan<byte> publicKey)
    {
        Span<byte> input = stackalloc byte[4 + Ed25519PublicKey.Size];
        ReadOnlySpan<byte> constructor = [0xC6, 0xB4, 0x13, 0x48];
        constructor.CopyTo(input);
        publicKey.CopyTo(input[4..]);
        return new CellHash(SHA256.HashData(input));
    }

    /// <summary>X25519 between Ed25519 keys, both mapped to Curve25519. <c>false</c> for a server key of low order.</summary>
    public static bool TryAgree(Ed25519PrivateKey client, ReadOnlySpan<byte> serverKey, Span<byte> shared)
    {
        Span<byte> seed = stackalloc byte[Ed25519PrivateKey.SeedSize];
        Span<byte> hash = stackalloc byte[SHA512.HashSizeInBytes];
        client.ExportSeed(seed);
        SHA512.HashData(seed, hash);
        using X25519PrivateKey key = X25519PrivateKey.FromBytes(hash[..X25519PrivateKey.Size]);
        CryptographicOperations.ZeroMemory(seed);
        CryptographicOperations.ZeroMemory(hash);
        return key.TryAgree(ToMontgomery(serverKey), shared);
    }

    /// <summary>The message. <paramref name="parameters"/> are 160 random bytes from which both sides take their stream keys.</summary>
    /// <exception cref="TonException">The server's key cannot be used.</exception>
    public static byte[] Create(Ed25519PrivateKey client, ReadOnlySpan<byte> serverKey, ReadOnlySpan<byte> parameters)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(parameters.Length, ParametersSize, nameof(parameters));
        Span<byte> shared = stackalloc byte[X25519PrivateKey.Size];
        if (!TryAgree(client, serverKey, shared))
        {
            throw new TonException(TonErrorCode.Malformed, "the lite-server's key has low order");
        }

        byte[] message = new byte[Size];
        KeyId(serverKey).CopyTo(message);
        client.PublicKey.Bytes.CopyTo(message.AsSpan(32));
        Span<byte> digest = message.AsSpan(64, 32);
        SHA256.HashData(parameters, digest);
        parameters.CopyTo(message.AsSpan(96));
        using AesCtr cipher = new([.. shared[..16], .. digest[16..]], [.. digest[..4], .. shared[20..]]);
        cipher.Apply(message.AsSpan(96));
        CryptographicOperations.ZeroMemory(shared);
        return message;
    }

    /// <summary>u = (1 + y) / (1 − y): the Montgomery form of an Edwards point.</summary>
    private static byte[] ToMontgomery(ReadOnlySpan<byte> edwards)
    {
        Span<byte> y = stackalloc byte[32];
        edwards.CopyTo(y);
        y[31] &= 0x7F;
        BigInteger value = new(y, isUnsigned: true);
        BigInteger denominator = ((BigInteger.One - value) % s_prime + s_prime) % s_prime;
        BigInteger u = (BigInteger.One + value) * BigInteger.ModPow(denominator, s_prime - 2, s_prime) % s_prime;
        byte[] bytes = new byte[32];
        u.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }
}
