using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Xml;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>The values that one measurement may have.</summary>
/// <param name="Index">From 0; the report's block has the next number.</param>
internal sealed record RimMeasurement(int Index, ImmutableArray<ImmutableArray<byte>> Alternatives);

/// <summary>What was found about a manifest's signature.</summary>
internal enum RimFault
{
    None = 0,
    Signature = 1,
    Chain = 2,
    OutsideValidity = 3,
}

/// <summary>A reference integrity manifest: NVIDIA's list of good measurements for one driver or VBIOS.</summary>
/// <remarks>
/// A SWID tag (ISO 19770-2) with an enveloped XML signature over the whole document: C14N 1.1, ECDSA P-384, SHA-384, certificates
/// inside. Exactly this form is accepted, so that what is read is what was signed.
/// </remarks>
internal sealed class RimManifest
{
    public const int MaxCertificates = 8;

    private const string SignatureNamespace = "http://www.w3.org/2000/09/xmldsig#";
    private const string Canonical11 = "http://www.w3.org/2006/12/xml-c14n11";
    private const string EcdsaSha384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
    private const string Sha384 = "http://www.w3.org/2001/04/xmldsig-more#sha384";
    private const string Enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    private const string TagNamespace = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
    private const int MaxMeasurements = 256;
    private const int MaxAlternatives = 64;
    private const int MeasurementSize = 48;

    private readonly bool _isDigestRight;
    private readonly byte[] _signedInfo;
    private readonly byte[] _signature;

    private RimManifest(XmlDocument document)
    {
        XmlElement root = document.DocumentElement!;
        XmlElement signature = Only(root, "Signature", SignatureNamespace);
        XmlElement signedInfo = Only(signature, "SignedInfo", SignatureNamespace);
        XmlElement reference = Only(signedInfo, "Reference", SignatureNamespace);
        string[] transforms =
        [
            .. Only(reference, "Transforms", SignatureNamespace).ChildNodes.OfType<XmlElement>().Select(t => t.GetAttribute("Algorithm")),
        ];
        Require(Algorithm(signedInfo, "CanonicalizationMethod") == Canonical11
            && Algorithm(signedInfo, "SignatureMethod") == EcdsaSha384
            && Algorithm(reference, "DigestMethod") == Sha384
            && reference.HasAttribute("URI") && reference.GetAttribute("URI").Length == 0
            && transforms is [Enveloped, Canonical11]);
        _isDigestRight = SHA384.HashData(CanonicalXml.Write(root, signature))
            .AsSpan().SequenceEqual(Base64(Only(reference, "DigestValue", SignatureNamespace)));
        _signedInfo = CanonicalXml.Write(signedInfo);
        _signature = Base64(Only(signature, "SignatureValue", SignatureNamespace));
        XmlElement x509 = Only(Only(signature, "KeyInfo", SignatureNamespace), "X509Data", SignatureNamespace);
        Certificates =
        [
            .. x509.ChildNodes.OfType<XmlElement>().Where(e => Is(e, "X509Certificate", SignatureNamespace)).Take(MaxCertificates)
                .Select(e => Certificate.Parse(Base64(e))),
        ];
        Require(Certificates.Length > 0);
        XmlElement meta = Only(root, "Meta", TagNamespace);
        ColloquialVersion = meta.GetAttribute("colloquialVersion");
        Product = meta.GetAttribute("product");
        Active = ReadMeasurements(Only(root, "Payload", TagNamespace));
    }

    /// <summary>The driver or VBIOS version that it is for.</summary>
    public string ColloquialVersion { get; }

    public string Product { get; }

    /// <summary>Leaf first.</summary>
    public ImmutableArray<Certificate> Certificates { get; }

    /// <summary>Measurements that must match, ascending.</summary>
    public ImmutableArray<RimMeasurement> Active { get; }

    public DateTimeOffset ValidFrom => Certificates.Max(c => c.NotBefore);

    public DateTimeOffset ValidUntil => Certificates.Min(c => c.NotAfter);

    /// <exception cref="EvidenceException">Not of this form.</exception>
    public static RimManifest Parse(ReadOnlyMemory<byte> xml)
    {
        XmlDocument document = CanonicalXml.Load(xml);
        try
        {
            return new RimManifest(document);
        }
        catch (FormatException)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "RIM encoding");
        }
    }

    public RimFault Verify(TrustAnchor root, DateTimeOffset now)
    {
        using VerificationKey key = Certificates[0].OpenKey();
        if (!_isDigestRight || !key.VerifyEcdsaRaw(_signedInfo, _signature, HashAlgorithmName.SHA384))
        {
            return RimFault.Signature;
        }

        return CertificatePath.Find(Certificates[0], Certificates, root, now).Fault switch
        {
            PathFault.None => RimFault.None,
            PathFault.OutsideValidity => RimFault.OutsideValidity,
            _ => RimFault.Chain,
        };
    }

    private static ImmutableArray<RimMeasurement> ReadMeasurements(XmlElement payload)
    {
        SortedDictionary<int, RimMeasurement> active = [];
        foreach (XmlElement resource in payload.ChildNodes.OfType<XmlElement>().Where(e => Is(e, "Resource", TagNamespace)))
        {
            if (resource.GetAttribute("type") != "Measurement" || resource.GetAttribute("active") != "True")
            {
                continue;
            }

            int index = Number(resource, "index", MaxMeasurements - 1);
            int alternatives = Number(resource, "alternatives", MaxAlternatives);
            Require(alternatives > 0 && Number(resource, "size", MeasurementSize) == MeasurementSize);
            ImmutableArray<ImmutableArray<byte>> values = [.. Enumerable.Range(0, alternatives).Select(i => Hash(resource, i))];
            Require(active.TryAdd(index, new RimMeasurement(index, values)));
        }

        return [.. active.Values];
    }

    private static ImmutableArray<byte> Hash(XmlElement resource, int number)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"Hash{number}");
        XmlAttribute[] found = [.. resource.Attributes.Cast<XmlAttribute>().Where(a => a.LocalName == name)];
        Require(found.Length == 1);
        byte[] value = Convert.FromHexString(found[0].Value);
        Require(value.Length == MeasurementSize);
        return [.. value];
    }

    private static int Number(XmlElement element, string attribute, int limit)
    {
        Require(int.TryParse(element.GetAttribute(attribute), NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value <= limit);
        return value;
    }

    private static string Algorithm(XmlElement parent, string name) => Only(parent, name, SignatureNamespace).GetAttribute("Algorithm");

    private static XmlElement Only(XmlElement parent, string name, string ns)
    {
        XmlElement[] found = [.. parent.ChildNodes.OfType<XmlElement>().Where(e => Is(e, name, ns))];
        Require(found.Length == 1);
        return found[0];
    }

    private static bool Is(XmlElement element, string name, string ns) => element.LocalName == name && element.NamespaceURI == ns;

    private static byte[] Base64(XmlElement element) =>
        Convert.FromBase64String(string.Concat(element.InnerText.Where(c => !char.IsWhiteSpace(c))));

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "RIM");
        }
    }
}
