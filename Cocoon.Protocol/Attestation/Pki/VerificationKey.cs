using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>A public key that checks signatures: ECDSA (P-256, P-384) or RSA. Failed verification is <c>false</c>.</summary>
internal sealed class VerificationKey : IDisposable
{
    private const int P256Size = 32;

    private readonly ECDsa? _ecdsa;
    private readonly RSA? _rsa;

    private VerificationKey(ECDsa? ecdsa, RSA? rsa)
    {
        _ecdsa = ecdsa;
        _rsa = rsa;
    }

    /// <exception cref="EvidenceException">Not a key of these kinds, or not a point of its curve.</exception>
    public static VerificationKey FromPublicKeyInfo(ReadOnlySpan<byte> publicKeyInfo)
    {
        ECDsa ecdsa = ECDsa.Create();
        try
        {
            ecdsa.ImportSubjectPublicKeyInfo(publicKeyInfo, out int read);
            if (read == publicKeyInfo.Length && ecdsa.KeySize is 256 or 384)
            {
                return new VerificationKey(ecdsa, null);
            }
        }
        catch (CryptographicException)
        {
            // Perhaps an RSA key.
        }

        ecdsa.Dispose();
        RSA rsa = RSA.Create();
        try
        {
            rsa.ImportSubjectPublicKeyInfo(publicKeyInfo, out int read);
            if (read == publicKeyInfo.Length && rsa.KeySize is >= 2048 and <= 8192)
            {
                return new VerificationKey(null, rsa);
            }
        }
        catch (CryptographicException)
        {
            // Said below.
        }

        rsa.Dispose();
        throw new EvidenceException(EvidenceErrorCode.Malformed, "public key");
    }

    /// <summary>A P-256 point as x ‖ y, big endian; <c>null</c> when it is not on the curve.</summary>
    public static VerificationKey? TryFromP256(ReadOnlySpan<byte> point)
    {
        ECParameters parameters = new()
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = point[..P256Size].ToArray(), Y = point[P256Size..].ToArray() },
        };
        try
        {
            return new VerificationKey(ECDsa.Create(parameters), null);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>r ‖ s, big endian, as quotes and reports carry it.</summary>
    public bool VerifyEcdsaRaw(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash) =>
        Verify(data, signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    public bool VerifyEcdsaDer(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash) =>
        Verify(data, signature, hash, DSASignatureFormat.Rfc3279DerSequence);

    public bool VerifyRsaPss(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash)
    {
        try
        {
            return _rsa is not null && _rsa.VerifyData(data, signature, hash, RSASignaturePadding.Pss);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _ecdsa?.Dispose();
        _rsa?.Dispose();
    }

    private bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, HashAlgorithmName hash, DSASignatureFormat format)
    {
        try
        {
            return _ecdsa is not null && _ecdsa.VerifyData(data, signature, hash, format);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
