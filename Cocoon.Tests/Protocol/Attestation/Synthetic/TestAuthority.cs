using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Tests.Protocol.Attestation.Synthetic;

/// <summary>A key with its certificate, able to issue others: chains of the vendors' shape under roots of the test's own.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly AsymmetricAlgorithm _key;
    private readonly X509Certificate2 _certificate;
    private readonly HashAlgorithmName _hash;
    private static int _serial;

    private TestAuthority(AsymmetricAlgorithm key, X509Certificate2 certificate, HashAlgorithmName hash)
    {
        _key = key;
        _certificate = certificate;
        _hash = hash;
        Certificate = Certificate.Parse(certificate.RawData);
    }

    public static DateTimeOffset NotBefore { get; } = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset NotAfter { get; } = new(2035, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public Certificate Certificate { get; }

    public byte[] Der => _certificate.RawData;

    public ECDsa Ecdsa => (ECDsa)_key;

    public TrustAnchor Anchor => TrustAnchor.FromCertificate(Certificate);

    /// <summary>ECDSA on P-256 with SHA-256, or on P-384 with SHA-384.</summary>
    public static TestAuthority Root(string name, bool isP384 = false, ValidityWindow? window = null) =>
        Create(name, NewEcdsa(isP384), Hash(isP384), null, true, [], window);

    /// <summary>RSA with PSS and SHA-384, as AMD's.</summary>
    public static TestAuthority RsaRoot(string name, ValidityWindow? window = null) =>
        Create(name, RSA.Create(2048), HashAlgorithmName.SHA384, null, true, [], window);

    public TestAuthority Issue(
        string name, bool isAuthority = false, bool isP384 = false, ValidityWindow? window = null, params X509Extension[] extensions) =>
        Create(name, NewEcdsa(isP384), _hash, this, isAuthority, extensions, window);

    public TestAuthority IssueRsa(string name, ValidityWindow? window = null) => Create(name, RSA.Create(2048), _hash, this, true, [], window);

    public byte[] Revoke(DateTimeOffset thisUpdate, DateTimeOffset nextUpdate, params ReadOnlySpan<TestAuthority> revoked)
    {
        CertificateRevocationListBuilder builder = new();
        foreach (TestAuthority one in revoked)
        {
            builder.AddEntry(one._certificate, thisUpdate);
        }

        X509AuthorityKeyIdentifierExtension authority = X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(new byte[20]);
        return _key is RSA rsa
            ? builder.Build(
                _certificate.SubjectName, X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pss), 1, nextUpdate, _hash, authority, thisUpdate)
            : builder.Build(_certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(Ecdsa), 1, nextUpdate, _hash, authority, thisUpdate);
    }

    public string Pem() => _certificate.ExportCertificatePem() + "\n";

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private static ECDsa NewEcdsa(bool isP384) => ECDsa.Create(isP384 ? ECCurve.NamedCurves.nistP384 : ECCurve.NamedCurves.nistP256);

    private static HashAlgorithmName Hash(bool isP384) => isP384 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;

    private static TestAuthority Create(
        string name,
        AsymmetricAlgorithm key,
        HashAlgorithmName hash,
        TestAuthority? issuer,
        bool isAuthority,
        X509Extension[] extensions,
        ValidityWindow? window)
    {
        (DateTimeOffset notBefore, DateTimeOffset notAfter) = window ?? new ValidityWindow(NotBefore, NotAfter);
        X500DistinguishedName subject = new($"CN={name}");
        CertificateRequest request = key is RSA rsa
            ? new CertificateRequest(subject, rsa, hash, RSASignaturePadding.Pss)
            : new CertificateRequest(subject, (ECDsa)key, hash);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        foreach (X509Extension extension in extensions)
        {
            request.CertificateExtensions.Add(extension);
        }

        AsymmetricAlgorithm signingKey = issuer?._key ?? key;
        X509SignatureGenerator generator = signingKey is RSA signer
            ? X509SignatureGenerator.CreateForRSA(signer, RSASignaturePadding.Pss)
            : X509SignatureGenerator.CreateForECDsa((ECDsa)signingKey);
        byte[] serial = [1, .. BitConverter.GetBytes(Interlocked.Increment(ref _serial))];
        X509Certificate2 certificate = request.Create(issuer?._certificate.SubjectName ?? subject, generator, notBefore, notAfter, serial);
        return new TestAuthority(key, certificate, signingKey is RSA ? HashAlgorithmName.SHA384 : hash);
    }
}

/// <summary>First and last moment at which a certificate, list or document counts.</summary>
internal sealed record ValidityWindow(DateTimeOffset From, DateTimeOffset Until);
