namespace Cocoon.Protocol.Cryptography;

/// <summary>An X25519 private key (RFC 7748 §5), held in pinned memory and zeroed on disposal.</summary>
public sealed class X25519PrivateKey : IDisposable
{
    public const int Size = 32;

    private readonly SecretBytes _secret;
    private readonly byte[] _publicKey = new byte[Size];

    private X25519PrivateKey(SecretBytes secret)
    {
        _secret = secret;
        CurveBackend.Current.DeriveX25519PublicKey(secret.Span, _publicKey);
    }

    public ReadOnlySpan<byte> PublicKey => _publicKey;

    public static X25519PrivateKey Generate() => new(SecretBytes.Random(Size));

    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public static X25519PrivateKey FromBytes(ReadOnlySpan<byte> secret) =>
        secret.Length == Size ? new(new SecretBytes(secret)) : throw new ArgumentException($"An X25519 key has {Size} bytes.", nameof(secret));

    /// <summary>Diffie-Hellman; <c>false</c> when the peer's point has low order (all-zero result) or a wrong length.</summary>
    public bool TryAgree(ReadOnlySpan<byte> peerPublicKey, Span<byte> shared)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(shared.Length, Size);
        return peerPublicKey.Length == Size && CurveBackend.Current.TryAgree(_secret.Span, peerPublicKey, shared);
    }

    public void Dispose() => _secret.Dispose();
}
