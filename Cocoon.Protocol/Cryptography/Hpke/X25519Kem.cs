using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1.</summary>
internal sealed class X25519Kem : IKem
{
    public const ushort KemId = 0x0020;

    private const int SecretSize = 32;

    private static ReadOnlySpan<byte> SuiteId => "KEM\x00\x20"u8;

    private X25519Kem()
    {
    }

    public static X25519Kem Instance { get; } = new();

    public ushort Id => KemId;

    public int PublicKeySize => X25519PrivateKey.Size;

    public int EncapsulationSize => X25519PrivateKey.Size;

    public IKemPrivateKey Generate() => new PrivateKey(X25519PrivateKey.Generate());

    /// <summary>Takes ownership of <paramref name="key"/>.</summary>
    public static IKemPrivateKey Import(X25519PrivateKey key) => new PrivateKey(key);

    public KemEncapsulation? TryEncapsulate(ReadOnlySpan<byte> publicKey) => TryEncapsulate(publicKey, X25519PrivateKey.Generate());

    /// <summary>With a given ephemeral key, for test vectors; production code draws a fresh one.</summary>
    internal KemEncapsulation? TryEncapsulate(ReadOnlySpan<byte> publicKey, X25519PrivateKey ephemeral)
    {
        Span<byte> shared = stackalloc byte[SecretSize];
        byte[] encapsulation = ephemeral.PublicKey.ToArray();
        if (!TryDerive(ephemeral, publicKey, encapsulation, publicKey, shared))
        {
            ephemeral.Dispose();
            return null;
        }

        KemEncapsulation result = new(encapsulation, new SecretBytes(shared), ephemeral);
        CryptographicOperations.ZeroMemory(shared);
        return result;
    }

    public ReadOnlySpan<byte> X25519Share(ReadOnlySpan<byte> encapsulation) => encapsulation;

    private static bool TryDerive(
        X25519PrivateKey own, ReadOnlySpan<byte> peer, ReadOnlySpan<byte> encapsulation, ReadOnlySpan<byte> recipient, Span<byte> shared)
    {
        Span<byte> agreed = stackalloc byte[SecretSize];
        if (!own.TryAgree(peer, agreed))
        {
            return false;
        }

        Span<byte> prk = stackalloc byte[LabeledKdf.HashSize];
        LabeledKdf.Extract([], SuiteId, "eae_prk"u8, agreed, prk);
        LabeledKdf.Expand(prk, SuiteId, "shared_secret"u8, [.. encapsulation, .. recipient], shared);
        CryptographicOperations.ZeroMemory(agreed);
        CryptographicOperations.ZeroMemory(prk);
        return true;
    }

    private sealed class PrivateKey(X25519PrivateKey key) : IKemPrivateKey
    {
        public IKem Kem => Instance;

        public ReadOnlySpan<byte> PublicKey => key.PublicKey;

        public bool TryDecapsulate(ReadOnlySpan<byte> encapsulation, Span<byte> sharedSecret) =>
            encapsulation.Length == X25519PrivateKey.Size
            && sharedSecret.Length == SecretSize
            && TryDerive(key, encapsulation, encapsulation, key.PublicKey, sharedSecret);

        public void Dispose() => key.Dispose();
    }
}
