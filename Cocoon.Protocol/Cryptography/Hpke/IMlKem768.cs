namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>ML-KEM-768 (FIPS 203) as X-Wing uses it.</summary>
internal interface IMlKem768
{
    /// <summary>The key pair of a seed.</summary>
    /// <param name="seed">64 bytes, d ‖ z.</param>
    IMlKem768Key Import(ReadOnlySpan<byte> seed);

    /// <summary><c>false</c> for an encapsulation key that is none.</summary>
    /// <param name="encapsulationKey">1,184 bytes.</param>
    /// <param name="ciphertext">1,088 bytes, written.</param>
    /// <param name="sharedSecret">32 bytes, written.</param>
    bool TryEncapsulate(ReadOnlySpan<byte> encapsulationKey, Span<byte> ciphertext, Span<byte> sharedSecret);
}

/// <summary>A decapsulation key. Disposal erases it.</summary>
internal interface IMlKem768Key : IDisposable
{
    /// <summary>1,184 bytes.</summary>
    ReadOnlySpan<byte> EncapsulationKey { get; }

    /// <summary>A changed ciphertext gives another secret, not an error: implicit rejection.</summary>
    /// <param name="ciphertext">1,088 bytes.</param>
    /// <param name="sharedSecret">32 bytes, written.</param>
    void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret);
}

/// <summary>Sizes of ML-KEM-768, and the implementation in use.</summary>
internal static class MlKem768
{
    public const int SeedSize = 64;
    public const int EncapsulationKeySize = 1184;
    public const int CiphertextSize = 1088;
    public const int SecretSize = 32;

    /// <summary>The platform's where it has one (OpenSSL 3.5 or later, recent Windows and macOS), else <c>null</c>.</summary>
    public static IMlKem768? Platform { get; } = PlatformMlKem768.IsSupported ? new PlatformMlKem768() : null;
}
