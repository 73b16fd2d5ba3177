using System.Security.Cryptography;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>A public key that checks signatures: ECDSA (P-256, P-384) or RSA. Failed verification is <c>false</c>.</summary>
internal sealed class VerificationKey : IDisposable
{
    private const int P256Size = 32;
    private const int P384Size = 48;
    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192;

    private readonly ECDsa? _ecdsa;
    private readonly RSA? _rsa;

    private VerificationKey(ECDsa? ecdsa, RSA? rsa)
    {
        _ecdsa = ecdsa;
        _rsa = rsa;
    }

    private static ReadOnlySpan<byte> P256Header =>
    [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];

    private static ReadOnlySpan<byte> P384Header =>
        [0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04];

    /// <summary>DER SubjectPublicKeyInfo. A key that is of no such kind, or no point of its curve, verifies nothing.</summary>
    /// <remarks>Curves are recognised by their one encoding: what a hostile certificate names never reaches the platform's curve tables.</remarks>
    public static VerificationKey FromPublicKeyInfo(ReadOnlySpan<byte> publicKeyInfo)
    {
        if (publicKeyInfo.StartsWith(P256Header))
        {
            return new VerificationKey(TryImport(ECCurve.NamedCurves.nistP256, publicKeyInfo[P256Header.Length..], P256Size), null);
        }

        if (publicKeyInfo.StartsWith(P384Header))
        {
            return new VerificationKey(TryImport(ECCurve.NamedCurves.nistP384, publicKeyInfo[P384Header.Length..], P384Size), null);
        }

        RSA rsa = RSA.Create();
        try
        {
            rsa.ImportSubjectPublicKeyInfo(publicKeyInfo, out int read);
            if (read == publicKeyInfo.Length && rsa.KeySize is >= MinRsaBits and <= MaxRsaBits)
            {
                return new VerificationKey(null, rsa);
            }
        }
        catch (CryptographicException)
        {
            // No RSA key either.
        }

        rsa.Dispose();
        return new VerificationKey(null, null);
    }

    /// <summary>A P-256 point as x ‖ y, big endian; it verifies nothing when it is not on the curve.</summary>
    public static VerificationKey FromP256(ReadOnlySpan<byte> point) => new(TryImport(ECCurve.NamedCurves.nistP256, point, P256Size), null);

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

    private static ECDsa? TryImport(ECCurve curve, ReadOnlySpan<byte> point, int size)
    {
        if (point.Length != 2 * size)
        {
            return null;
        }

        try
        {
            return ECDsa.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = point[..size].ToArray(), Y = point[size..].ToArray() } });
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
