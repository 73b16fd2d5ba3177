using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography;

/// <summary>An Ed25519 private key (32-byte seed, RFC 8032 §5.1.5), held in pinned memory and zeroed on disposal.</summary>
/// <remarks>Thread-safe for signing until disposed.</remarks>
public sealed class Ed25519PrivateKey : IDisposable
{
    public const int SeedSize = 32;

    private readonly SecretBytes _seed;

    private Ed25519PrivateKey(SecretBytes seed)
    {
        _seed = seed;
        Span<byte> publicKey = stackalloc byte[Ed25519PublicKey.Size];
        CurveBackend.Current.DerivePublicKey(seed.Span, publicKey);
        PublicKey = new Ed25519PublicKey(publicKey);
    }

    public Ed25519PublicKey PublicKey { get; }

    public static Ed25519PrivateKey Generate() => new(SecretBytes.Random(SeedSize));

    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public static Ed25519PrivateKey FromSeed(ReadOnlySpan<byte> seed) =>
        seed.Length == SeedSize ? new(new SecretBytes(seed)) : throw new ArgumentException($"An Ed25519 seed has {SeedSize} bytes.", nameof(seed));

    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        byte[] signature = new byte[Ed25519.SignatureSize];
        Sign(message, signature);
        return signature;
    }

    /// <param name="signature">Exactly 64 bytes, written.</param>
    public void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(signature.Length, Ed25519.SignatureSize);
        CurveBackend.Current.Sign(_seed.Span, PublicKey.Bytes, message, signature);
    }

    /// <summary>Copies the seed out, to be stored encrypted or with mode 0600; the caller zeroes the copy.</summary>
    public void ExportSeed(Span<byte> seed) => _seed.Span.CopyTo(seed);

    /// <summary>A key bound to a purpose: HKDF-SHA256 over the seed with <paramref name="info"/>, so that no key signs for two purposes.</summary>
    public Ed25519PrivateKey Derive(ReadOnlySpan<byte> info)
    {
        Span<byte> derived = stackalloc byte[SeedSize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _seed.Span, derived, salt: [], info: info);
        Ed25519PrivateKey key = FromSeed(derived);
        CryptographicOperations.ZeroMemory(derived);
        return key;
    }

    public void Dispose() => _seed.Dispose();
}
