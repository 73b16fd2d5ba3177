using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography.Interop;

namespace Cocoon.Protocol.Cryptography;

internal sealed unsafe class SodiumBackend : CurveBackend
{
    public SodiumBackend()
    {
        if (Sodium.sodium_init() < 0)
        {
            throw new PlatformNotSupportedException("libsodium could not be initialised.");
        }
    }

    public override string Name => "libsodium";

    public override void DerivePublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        Span<byte> secret = stackalloc byte[64];
        fixed (byte* s = seed, p = publicKey, k = secret)
        {
            _ = Sodium.crypto_sign_ed25519_seed_keypair(p, k, s);
        }

        CryptographicOperations.ZeroMemory(secret);
    }

    public override void Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        // libsodium's secret key is seed ‖ public key.
        Span<byte> secret = stackalloc byte[64];
        seed.CopyTo(secret);
        publicKey.CopyTo(secret[32..]);
        fixed (byte* k = secret, m = message, s = signature)
        {
            _ = Sodium.crypto_sign_ed25519_detached(s, null, m, (ulong)message.Length, k);
        }

        CryptographicOperations.ZeroMemory(secret);
    }

    public override bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        fixed (byte* p = publicKey, m = message, s = signature)
        {
            return Sodium.crypto_sign_ed25519_verify_detached(s, m, (ulong)message.Length, p) == 0;
        }
    }

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
}
