using Cocoon.Protocol.Cryptography.Interop;

namespace Cocoon.Protocol.Cryptography;

/// <summary>Curve25519 operations of one native library.</summary>
/// <remarks>
/// All spans have the exact sizes of RFC 8032 and RFC 7748: seeds, keys and shared secrets 32 bytes, signatures 64 bytes.
/// Both implementations agree on every key and signature: small-order and non-canonical points are refused by both.
/// </remarks>
internal abstract class CurveBackend
{
    /// <summary>NSec with libsodium where its package has a build for the platform, else libcrypto; <c>COCOON_CRYPTO=libcrypto</c> forces the second.</summary>
    public static CurveBackend Current { get; } = Choose();

    public abstract string Name { get; }

    /// <summary>A signing key that keeps a copy of <paramref name="seed"/> of its own.</summary>
    public abstract SigningKey ImportSigningKey(ReadOnlySpan<byte> seed);

    public abstract bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

    /// <summary>Whether the encoding is canonical, on the curve and in the prime-order group (not the identity).</summary>
    public abstract bool IsPrimeOrderPoint(ReadOnlySpan<byte> publicKey);

    public abstract void DeriveX25519PublicKey(ReadOnlySpan<byte> secret, Span<byte> publicKey);

    /// <summary><c>false</c> for low-order points (all-zero result).</summary>
    public abstract bool TryAgree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey, Span<byte> shared);

    private static CurveBackend Choose()
    {
        bool forced = string.Equals(Environment.GetEnvironmentVariable("COCOON_CRYPTO"), "libcrypto", StringComparison.Ordinal);
        if (!forced && Sodium.IsAvailable)
        {
            return new NSecBackend();
        }

        return LibCrypto.IsAvailable
            ? new LibCryptoBackend()
            : throw new PlatformNotSupportedException("Neither libsodium (in the NSec.Cryptography package) nor OpenSSL's libcrypto 3 was found for this platform.");
    }
}
