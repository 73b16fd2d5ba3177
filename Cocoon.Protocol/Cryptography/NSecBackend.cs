using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Cryptography.Interop;
using NSec.Cryptography;

namespace Cocoon.Protocol.Cryptography;

/// <summary>Signatures by NSec; X25519 by the libsodium that its package brings.</summary>
/// <remarks>
/// NSec keeps every key in guarded pages of its own. That is right for keys that live long, but a request makes and forgets several
/// X25519 keys, and mapping and unmapping those pages costs as much as the arithmetic (44 µs instead of 16 to make one, 58 instead of
/// 30 to agree): they stay in <see cref="SecretBytes"/>. NSec has no question for the prime-order group either.
/// </remarks>
internal sealed unsafe class NSecBackend : CurveBackend
{
    private static readonly SignatureAlgorithm Algorithm = SignatureAlgorithm.Ed25519;

    public NSecBackend()
    {
        if (Sodium.sodium_init() < 0)
        {
            throw new PlatformNotSupportedException("libsodium could not be initialised.");
        }
    }

    public override string Name => "libsodium";

    [SuppressMessage("Reliability", "CA2000", Justification = "The signing key owns it.")]
    public override SigningKey ImportSigningKey(ReadOnlySpan<byte> seed) => new NSecSigningKey(
        Key.Import(Algorithm, seed, KeyBlobFormat.RawPrivateKey, new KeyCreationParameters { ExportPolicy = KeyExportPolicies.AllowPlaintextExport }));

    public override bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        PublicKey.TryImport(Algorithm, publicKey, KeyBlobFormat.RawPublicKey, out PublicKey? key) && key is not null && Algorithm.Verify(key, message, signature);

    public override bool IsPrimeOrderPoint(ReadOnlySpan<byte> publicKey)
    {
        fixed (byte* p = publicKey)
        {
            return Sodium.crypto_core_ed25519_is_valid_point(p) == 1;
        }
    }

    public override void DeriveX25519PublicKey(ReadOnlySpan<byte> secret, Span<byte> publicKey)
    {
        fixed (byte* s = secret, p = publicKey)
        {
            _ = Sodium.crypto_scalarmult_curve25519_base(p, s);
        }
    }

    public override bool TryAgree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        fixed (byte* s = secret, p = publicKey, o = shared)
        {
            return Sodium.crypto_scalarmult_curve25519(o, s, p) == 0;
        }
    }

    private sealed class NSecSigningKey(Key key) : SigningKey
    {
        public override void CopyPublicKey(Span<byte> publicKey) => Check(key.PublicKey.TryExport(KeyBlobFormat.RawPublicKey, publicKey, out int _));

        public override void Sign(ReadOnlySpan<byte> message, Span<byte> signature) => Algorithm.Sign(key, message, signature);

        public override void CopySeed(Span<byte> seed) => Check(key.TryExport(KeyBlobFormat.RawPrivateKey, seed, out int _));

        public override void Dispose() => key.Dispose();

        private static void Check(bool fitted)
        {
            if (!fitted)
            {
                throw new ArgumentException("An Ed25519 key has 32 bytes.");
            }
        }
    }
}
