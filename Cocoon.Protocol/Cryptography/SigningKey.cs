namespace Cocoon.Protocol.Cryptography;

/// <summary>An Ed25519 private key as one <see cref="CurveBackend"/> keeps it: wiped when disposed, thread-safe for signing until then.</summary>
internal abstract class SigningKey : IDisposable
{
    /// <param name="publicKey">32 bytes, written.</param>
    public abstract void CopyPublicKey(Span<byte> publicKey);

    /// <param name="signature">64 bytes, written.</param>
    public abstract void Sign(ReadOnlySpan<byte> message, Span<byte> signature);

    /// <param name="seed">32 bytes, written; the caller wipes them.</param>
    public abstract void CopySeed(Span<byte> seed);

    public abstract void Dispose();
}
