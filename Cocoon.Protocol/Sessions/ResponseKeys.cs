using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;

namespace Cocoon.Protocol.Sessions;

/// <summary>Key and base nonce of a response stream.</summary>
/// <remarks>
/// As chunked OHTTP, with a second step for forward secrecy: the shared secret of two ephemeral keys, both erased once it is mixed
/// in, so that the hourly key alone opens no answer.
/// <code>
/// secret = HPKE Export("cocoon/e2e response/v1\0", 32)
/// salt   = enc ‖ response nonce [32] ‖ enclave ephemeral [32] ‖ X25519(enclave ephemeral, client ephemeral)
/// prk    = HKDF-Extract(salt, secret);  key = HKDF-Expand(prk, "key", 32);  base nonce = HKDF-Expand(prk, "nonce", 12)
/// </code>
/// </remarks>
internal static class ResponseKeys
{
    public const int NonceSize = 32;

    public static HpkeAead Derive(
        HpkeSuite suite,
        ReadOnlySpan<byte> exported,
        ReadOnlySpan<byte> encapsulation,
        ReadOnlySpan<byte> responseNonce,
        ReadOnlySpan<byte> enclaveEphemeral,
        ReadOnlySpan<byte> agreed,
        Span<byte> baseNonce)
    {
        byte[] salt = [.. encapsulation, .. responseNonce, .. enclaveEphemeral, .. agreed];
        Span<byte> prk = stackalloc byte[LabeledKdf.HashSize];
        Span<byte> key = stackalloc byte[HpkeAead.KeySize];
        HKDF.Extract(HashAlgorithmName.SHA256, exported, salt, prk);
        HKDF.Expand(HashAlgorithmName.SHA256, prk, key, "key"u8);
        HKDF.Expand(HashAlgorithmName.SHA256, prk, baseNonce, "nonce"u8);
        HpkeAead aead = suite.CreateAead(key);
        CryptographicOperations.ZeroMemory(salt);
        CryptographicOperations.ZeroMemory(prk);
        CryptographicOperations.ZeroMemory(key);
        return aead;
    }

    public static SecretBytes Export(HpkeContext context)
    {
        Span<byte> exported = stackalloc byte[LabeledKdf.HashSize];
        context.Export(SessionDomains.Response, exported);
        SecretBytes secret = new(exported);
        CryptographicOperations.ZeroMemory(exported);
        return secret;
    }
}

/// <summary>
/// One chunk on the wire: <c>u8 flags ‖ [response nonce 32 ‖ enclave ephemeral 32, first chunk] ‖ ciphertext of whole frames</c>.
/// The final chunk's associated data is <c>final</c>, the others' is empty: a changed flag does not open.
/// </summary>
[Flags]
internal enum ChunkFlags : byte
{
    None = 0,
    First = 1,
    Final = 2,
}
