using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>X-Wing, the hybrid of ML-KEM-768 and X25519 (draft-connolly-cfrg-xwing-kem): safe while either of them is.</summary>
/// <remarks>
/// <code>
/// seed 32 → SHAKE256 → d ‖ z [64] ‖ sk_X [32];  pk = pk_M [1184] ‖ pk_X [32];  ct = ct_M [1088] ‖ ct_X [32]
/// ss = SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ "\.//^\")
/// </code>
/// </remarks>
internal sealed class XWingKem(IMlKem768 mlKem) : IKem
{
    public const ushort KemId = 0x647A;
    public const int SeedSize = 32;

    private const int X25519Size = X25519PrivateKey.Size;

    private static ReadOnlySpan<byte> Label => """\.//^\"""u8;

    /// <summary>Whether the hashes that X-Wing needs are there.</summary>
    public static bool IsSupported => SHA3_256.IsSupported && Shake256.IsSupported;

    public ushort Id => KemId;

    public int PublicKeySize => MlKem768.EncapsulationKeySize + X25519Size;

    public int EncapsulationSize => MlKem768.CiphertextSize + X25519Size;

    public IKemPrivateKey Generate()
    {
        using SecretBytes seed = SecretBytes.Random(SeedSize);
        return Import(seed.Span);
    }

    /// <param name="seed">32 bytes: the whole private key.</param>
    public IKemPrivateKey Import(ReadOnlySpan<byte> seed)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(seed.Length, SeedSize);
        Span<byte> expanded = stackalloc byte[MlKem768.SeedSize + X25519Size];
        Shake256.HashData(seed, expanded);
        PrivateKey key = new(this, mlKem.Import(expanded[..MlKem768.SeedSize]), X25519PrivateKey.FromBytes(expanded[MlKem768.SeedSize..]));
        CryptographicOperations.ZeroMemory(expanded);
        return key;
    }

    public KemEncapsulation? TryEncapsulate(ReadOnlySpan<byte> publicKey) => TryEncapsulate(publicKey, X25519PrivateKey.Generate());

    /// <summary>With a given X25519 key, for test vectors; production code draws a fresh one.</summary>
    internal KemEncapsulation? TryEncapsulate(ReadOnlySpan<byte> publicKey, X25519PrivateKey ephemeral)
    {
        Span<byte> secrets = stackalloc byte[MlKem768.SecretSize + X25519Size];
        byte[] encapsulation = new byte[EncapsulationSize];
        if (publicKey.Length != PublicKeySize
            || !mlKem.TryEncapsulate(
                publicKey[..MlKem768.EncapsulationKeySize], encapsulation.AsSpan(0, MlKem768.CiphertextSize), secrets[..MlKem768.SecretSize])
            || !ephemeral.TryAgree(publicKey[MlKem768.EncapsulationKeySize..], secrets[MlKem768.SecretSize..]))
        {
            ephemeral.Dispose();
            return null;
        }

        ephemeral.PublicKey.CopyTo(encapsulation.AsSpan(MlKem768.CiphertextSize));
        Span<byte> shared = stackalloc byte[SHA3_256.HashSizeInBytes];
        Combine(secrets, ephemeral.PublicKey, publicKey[MlKem768.EncapsulationKeySize..], shared);
        KemEncapsulation result = new(encapsulation, new SecretBytes(shared), ephemeral);
        CryptographicOperations.ZeroMemory(secrets);
        CryptographicOperations.ZeroMemory(shared);
        return result;
    }

    public ReadOnlySpan<byte> X25519Share(ReadOnlySpan<byte> encapsulation) => encapsulation[MlKem768.CiphertextSize..];

    private static void Combine(ReadOnlySpan<byte> secrets, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        byte[] input = [.. secrets, .. ciphertext, .. publicKey, .. Label];
        SHA3_256.HashData(input, shared);
        CryptographicOperations.ZeroMemory(input);
    }

    private sealed class PrivateKey(XWingKem kem, IMlKem768Key mlKem, X25519PrivateKey x25519) : IKemPrivateKey
    {
        private readonly byte[] _publicKey = [.. mlKem.EncapsulationKey, .. x25519.PublicKey];

        public IKem Kem => kem;

        public ReadOnlySpan<byte> PublicKey => _publicKey;

        public bool TryDecapsulate(ReadOnlySpan<byte> encapsulation, Span<byte> sharedSecret)
        {
            if (encapsulation.Length != kem.EncapsulationSize || sharedSecret.Length != SHA3_256.HashSizeInBytes)
            {
                return false;
            }

            Span<byte> secrets = stackalloc byte[MlKem768.SecretSize + X25519Size];
            ReadOnlySpan<byte> share = encapsulation[MlKem768.CiphertextSize..];
            if (!x25519.TryAgree(share, secrets[MlKem768.SecretSize..]))
            {
                return false;
            }

            mlKem.Decapsulate(encapsulation[..MlKem768.CiphertextSize], secrets[..MlKem768.SecretSize]);
            Combine(secrets, share, x25519.PublicKey, sharedSecret);
            CryptographicOperations.ZeroMemory(secrets);
            return true;
        }

        public void Dispose()
        {
            mlKem.Dispose();
            x25519.Dispose();
        }
    }
}
