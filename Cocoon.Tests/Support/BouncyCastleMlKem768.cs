using Cocoon.Protocol.Cryptography.Hpke;
using Org.BouncyCastle.Crypto.Kems;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Security;

namespace Cocoon.Tests.Support;

/// <summary>ML-KEM-768 by BouncyCastle: an implementation that is not ours, where the platform has none.</summary>
internal sealed class BouncyCastleMlKem768 : IMlKem768
{
    /// <summary>Randomness of the next encapsulation, for vectors; drawn when <c>null</c>.</summary>
    public byte[]? NextRandomness { get; set; }

    public IMlKem768Key Import(ReadOnlySpan<byte> seed) => new Key(MLKemPrivateKeyParameters.FromSeed(MLKemParameters.ml_kem_768, seed.ToArray()));

    public bool TryEncapsulate(ReadOnlySpan<byte> encapsulationKey, Span<byte> ciphertext, Span<byte> sharedSecret)
    {
        if (encapsulationKey.Length != MlKem768.EncapsulationKeySize)
        {
            return false;
        }

        try
        {
            MLKemPublicKeyParameters key = MLKemPublicKeyParameters.FromEncoding(MLKemParameters.ml_kem_768, encapsulationKey.ToArray());
            MLKemEncapsulator encapsulator = new(MLKemParameters.ml_kem_768);
            encapsulator.Init(NextRandomness is { } randomness ? new ParametersWithRandom(key, new FixedRandom(randomness)) : key);
            byte[] ct = new byte[MlKem768.CiphertextSize], secret = new byte[MlKem768.SecretSize];
            encapsulator.Encapsulate(ct, 0, ct.Length, secret, 0, secret.Length);
            ct.CopyTo(ciphertext);
            secret.CopyTo(sharedSecret);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private sealed class FixedRandom(byte[] bytes) : SecureRandom
    {
        public override void NextBytes(byte[] buf) => bytes.CopyTo(buf, 0);

        public override void NextBytes(byte[] buf, int off, int len) => bytes.AsSpan(0, len).CopyTo(buf.AsSpan(off));

        public override void NextBytes(Span<byte> buffer) => bytes.AsSpan(0, buffer.Length).CopyTo(buffer);
    }

    private sealed class Key(MLKemPrivateKeyParameters key) : IMlKem768Key
    {
        private readonly byte[] _encapsulationKey = key.GetPublicKey().GetEncoded();

        public ReadOnlySpan<byte> EncapsulationKey => _encapsulationKey;

        public void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> sharedSecret)
        {
            MLKemDecapsulator decapsulator = new(MLKemParameters.ml_kem_768);
            decapsulator.Init(key);
            byte[] ct = ciphertext.ToArray(), secret = new byte[MlKem768.SecretSize];
            decapsulator.Decapsulate(ct, 0, ct.Length, secret, 0, secret.Length);
            secret.CopyTo(sharedSecret);
        }

        public void Dispose()
        {
        }
    }
}
