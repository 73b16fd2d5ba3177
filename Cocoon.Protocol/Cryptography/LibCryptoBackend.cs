using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography.Interop;

namespace Cocoon.Protocol.Cryptography;

/// <remarks>
/// OpenSSL accepts small-order keys that libsodium and the chain refuse, so every verification here checks key and R first
/// (<see cref="EdwardsPoint"/>): otherwise a payer could sign vouchers that only we believe.
/// </remarks>
internal sealed unsafe class LibCryptoBackend : CurveBackend
{
    public override string Name => "libcrypto";

    public override SigningKey ImportSigningKey(ReadOnlySpan<byte> seed) => new LibCryptoSigningKey(seed);

    public override void DeriveX25519PublicKey(ReadOnlySpan<byte> secret, Span<byte> publicKey) => RawPublicKey(LibCrypto.X25519, secret, publicKey);

    public override bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (EdwardsPoint.IsSmallOrderOrInvalid(publicKey) || EdwardsPoint.IsSmallOrderOrInvalid(signature[..32]))
        {
            return false;
        }

        nint key, context = LibCrypto.EVP_MD_CTX_new();
        fixed (byte* k = publicKey)
        {
            key = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.Ed25519, 0, k, 32);
        }

        try
        {
            fixed (byte* m = message, s = signature)
            {
                return key != 0
                    && LibCrypto.EVP_DigestVerifyInit(context, 0, 0, 0, key) == 1
                    && LibCrypto.EVP_DigestVerify(context, s, 64, m, (nuint)message.Length) == 1;
            }
        }
        finally
        {
            LibCrypto.EVP_MD_CTX_free(context);
            LibCrypto.EVP_PKEY_free(key);
        }
    }

    public override bool IsPrimeOrderPoint(ReadOnlySpan<byte> publicKey) => EdwardsPoint.IsPrimeOrder(publicKey);

    public override bool TryAgree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey, Span<byte> shared)
    {
        nint own, peer;
        fixed (byte* s = secret, p = publicKey)
        {
            own = LibCrypto.EVP_PKEY_new_raw_private_key(LibCrypto.X25519, 0, s, 32);
            peer = LibCrypto.EVP_PKEY_new_raw_public_key(LibCrypto.X25519, 0, p, 32);
        }

        nint context = LibCrypto.EVP_PKEY_CTX_new(own, 0);
        try
        {
            nuint length = 32;
            fixed (byte* o = shared)
            {
                return LibCrypto.EVP_PKEY_derive_init(context) == 1
                    && LibCrypto.EVP_PKEY_derive_set_peer(context, peer) == 1
                    && LibCrypto.EVP_PKEY_derive(context, o, &length) == 1;
            }
        }
        finally
        {
            LibCrypto.EVP_PKEY_CTX_free(context);
            LibCrypto.EVP_PKEY_free(own);
            LibCrypto.EVP_PKEY_free(peer);
        }
    }

    private static void RawPublicKey(int type, ReadOnlySpan<byte> secret, Span<byte> publicKey)
    {
        nuint length = 32;
        fixed (byte* s = secret, p = publicKey)
        {
            nint key = LibCrypto.EVP_PKEY_new_raw_private_key(type, 0, s, 32);
            int result = LibCrypto.EVP_PKEY_get_raw_public_key(key, p, &length);
            LibCrypto.EVP_PKEY_free(key);
            if (result != 1)
            {
                throw new CryptographicException("Public key derivation failed.");
            }
        }
    }

    private sealed class LibCryptoSigningKey(ReadOnlySpan<byte> seed) : SigningKey
    {
        private readonly SecretBytes _seed = new(seed);

        public override void CopyPublicKey(Span<byte> publicKey) => RawPublicKey(LibCrypto.Ed25519, _seed.Span, publicKey);

        public override void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
        {
            nint key, context = LibCrypto.EVP_MD_CTX_new();
            fixed (byte* k = _seed.Span)
            {
                key = LibCrypto.EVP_PKEY_new_raw_private_key(LibCrypto.Ed25519, 0, k, 32);
            }

            try
            {
                nuint length = 64;
                fixed (byte* m = message, s = signature)
                {
                    if (LibCrypto.EVP_DigestSignInit(context, 0, 0, 0, key) != 1 || LibCrypto.EVP_DigestSign(context, s, &length, m, (nuint)message.Length) != 1)
                    {
                        throw new CryptographicException("Ed25519 signing failed.");
                    }
                }
            }
            finally
            {
                LibCrypto.EVP_MD_CTX_free(context);
                LibCrypto.EVP_PKEY_free(key);
            }
        }

        public override void CopySeed(Span<byte> seed) => _seed.Span.CopyTo(seed);

        public override void Dispose() => _seed.Dispose();
    }
}
