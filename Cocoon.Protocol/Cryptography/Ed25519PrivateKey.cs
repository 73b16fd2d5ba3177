using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography;

/// <summary>An Ed25519 private key (32-byte seed, RFC 8032 §5.1.5), held in guarded memory and wiped on disposal.</summary>
/// <remarks>Thread-safe for signing until disposed.</remarks>
public sealed class Ed25519PrivateKey : IDisposable
{
    public const int SeedSize = 32;

    private readonly SigningKey _key;

    private Ed25519PrivateKey(ReadOnlySpan<byte> seed)
    {
        _key = CurveBackend.Current.ImportSigningKey(seed);
        Span<byte> publicKey = stackalloc byte[Ed25519PublicKey.Size];
        _key.CopyPublicKey(publicKey);
        PublicKey = new Ed25519PublicKey(publicKey);
    }

    public Ed25519PublicKey PublicKey { get; }

    public static Ed25519PrivateKey Generate()
    {
        Span<byte> seed = stackalloc byte[SeedSize];
        RandomNumberGenerator.Fill(seed);
        Ed25519PrivateKey key = new(seed);
        CryptographicOperations.ZeroMemory(seed);
        return key;
    }

    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public static Ed25519PrivateKey FromSeed(ReadOnlySpan<byte> seed) =>
        seed.Length == SeedSize ? new(seed) : throw new ArgumentException($"An Ed25519 seed has {SeedSize} bytes.", nameof(seed));

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
        _key.Sign(message, signature);
    }

    /// <summary>Copies the seed out, to be stored encrypted or with mode 0600; the caller zeroes the copy.</summary>
    public void ExportSeed(Span<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedSize);
        _key.CopySeed(seed);
    }

    /// <summary>A key bound to a purpose: HKDF-SHA256 over the seed with <paramref name="info"/>, so that no key signs for two purposes.</summary>
    public Ed25519PrivateKey Derive(ReadOnlySpan<byte> info)
    {
        Span<byte> seed = stackalloc byte[SeedSize];
        Span<byte> derived = stackalloc byte[SeedSize];
        _key.CopySeed(seed);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, seed, derived, salt: [], info: info);
        Ed25519PrivateKey key = FromSeed(derived);
        CryptographicOperations.ZeroMemory(seed);
        CryptographicOperations.ZeroMemory(derived);
        return key;
    }

    public void Dispose() => _key.Dispose();
}
