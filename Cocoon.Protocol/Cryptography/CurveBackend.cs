using Cocoon.Protocol.Cryptography.Interop;

namespace Cocoon.Protocol.Cryptography;

/// <summary>
/// Curve25519 operations of one native library. This is the seam where NSec.Cryptography (libsodium in a package) would slot in.
/// </summary>
/// <remarks>
/// All spans have the exact sizes of RFC 8032 and RFC 7748: seeds, keys and shared secrets 32 bytes, signatures 64 bytes.
/// Both implementations agree on every key and signature: small-order and non-canonical points are refused by both.
/// </remarks>
internal abstract class CurveBackend
{
    /// <summary>libsodium where it is installed, else libcrypto; <c>COCOON_CRYPTO=libcrypto</c> forces the second.</summary>
    public static CurveBackend Current { get; } = Choose();

    public abstract string Name { get; }

    public abstract void DerivePublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey);

    public abstract void Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, Span<byte> signature);

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
            return new SodiumBackend();
        }

        return LibCrypto.IsAvailable
            ? new LibCryptoBackend()
            : throw new PlatformNotSupportedException("Neither libsodium nor OpenSSL's libcrypto 3 was found; install libsodium (Debian: libsodium23).");
    }
}
