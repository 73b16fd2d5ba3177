using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Tests.Support;

/// <summary>Suite A by its identifiers and sizes, with an AEAD that copies.</summary>
internal static class UnsealedSuite
{
    public static HpkeSuite Create() => new(X25519Kem.Instance, HpkeAeadId.ChaCha20Poly1305, static _ => new Copy());

    private sealed class Copy : HpkeAead
    {
        public override void Dispose()
        {
        }

        protected override void Encrypt(
            ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associatedData)
        {
            plaintext.CopyTo(ciphertext);
            tag.Clear();
        }

        protected override void Decrypt(
            ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associatedData) =>
            ciphertext.CopyTo(plaintext);
    }
}
