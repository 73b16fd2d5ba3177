using System.Security.Cryptography;

namespace Cocoon.Protocol.Cryptography.Hpke;

/// <summary>ML-KEM-768 of the operating system's library.</summary>
internal sealed class PlatformMlKem768 : IMlKem768
{
    public static bool IsSupported => MLKem.IsSupported;

    public IMlKem768Key Import(ReadOnlySpan<byte> seed) => new Key(MLKem.ImportPrivateSeed(MLKemAlgorithm.MLKem768, seed));

    public bool TryEncapsulate(ReadOnlySpan<byte> encapsulationKey, Span<byte> ciphertext, Span<byte> sharedSecret)
    {
        if (encapsulationKey.Length != MlKem768.EncapsulationKeySize)
        {
            return false;
        }

        try
        {
            using MLKem key = MLKem.ImportEncapsulationKey(MLKemAlgorithm.MLKem768, encapsulationKey);
            key.Encapsulate(ciphertext, sharedSecret);
            return true;
        }
        catch (CryptographicException)
        {
            // FIPS 203 §7.2: a coefficient out of range.
            return false;
        }
    }

    private sealed class Key(MLKem key) : IMlKem768Key
    {
        private readonly byte[] _encapsulationKey = key.ExportEncapsulationKey();

        public ReadOnlySpan<byte> EncapsulationKey => _encapsulationKey;

        public void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret) => key.Decapsulate(ciphertext, sharedSecret);

        public void Dispose() => key.Dispose();
    }
}
