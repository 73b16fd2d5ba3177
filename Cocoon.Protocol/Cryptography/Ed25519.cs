namespace Cocoon.Protocol.Cryptography;

/// <summary>Ed25519 (RFC 8032) on raw spans, for wire code that holds keys as bytes.</summary>
public static class Ed25519
{
    public const int SignatureSize = 64;

    /// <summary>The native library in use: <c>libsodium</c> or <c>libcrypto</c>.</summary>
    public static string Backend => CurveBackend.Current.Name;

    /// <summary><c>false</c> for any wrong length, small-order or non-canonical point, or wrong signature.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        publicKey.Length == Ed25519PublicKey.Size
        && signature.Length == SignatureSize
        && CurveBackend.Current.Verify(publicKey, message, signature);
}
