using System.Collections.Frozen;
using System.Formats.Asn1;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>An X.509 certificate as far as vendors' chains need it (RFC 5280 §4.1). Parsing proves nothing.</summary>
/// <remarks>
/// Names are compared as encoded. <c>X509Certificate2</c> is not used: it would skip the comparison of the two algorithm
/// identifiers, costs more than the signature check, and its chain engine reads the clock and the network.
/// </remarks>
internal sealed class Certificate
{
    public const int MaxSize = 16 << 10;

    private const string BasicConstraintsOid = "2.5.29.19";
    private const string KeyUsageOid = "2.5.29.15";
    private const int KeyCertSign = 5;
    private const int CrlSign = 6;
    private const int MaxExtensions = 64;
    private static readonly Asn1Tag VersionTag = new(TagClass.ContextSpecific, 0, isConstructed: true);
    private static readonly Asn1Tag ExtensionsTag = new(TagClass.ContextSpecific, 3, isConstructed: true);

    private readonly SignedDer _signed;

    private Certificate(ReadOnlyMemory<byte> raw, SignedDer signed, AsnReader toBeSigned)
    {
        Raw = raw;
        _signed = signed;
        if (toBeSigned.PeekTag().HasSameClassAndValue(VersionTag))
        {
            toBeSigned.ReadEncodedValue();
        }

        SerialNumber = toBeSigned.ReadIntegerBytes();
        if (!toBeSigned.ReadEncodedValue().Span.SequenceEqual(signed.Algorithm.Span))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "certificate algorithms differ");
        }

        Issuer = toBeSigned.ReadEncodedValue();
        AsnReader validity = toBeSigned.ReadSequence();
        NotBefore = DerTime.Read(validity);
        NotAfter = DerTime.Read(validity);
        Subject = toBeSigned.ReadEncodedValue();
        PublicKeyInfo = toBeSigned.ReadEncodedValue();
        Dictionary<string, ReadOnlyMemory<byte>> extensions = new(StringComparer.Ordinal);
        while (toBeSigned.HasData)
        {
            if (toBeSigned.PeekTag().HasSameClassAndValue(ExtensionsTag))
            {
                ReadExtensions(toBeSigned.ReadSequence(ExtensionsTag).ReadSequence(), extensions);
            }
            else
            {
                toBeSigned.ReadEncodedValue();
            }
        }

        Extensions = extensions.ToFrozenDictionary(StringComparer.Ordinal);
        (IsAuthority, PathLength) = ReadBasicConstraints();
        (MaySignCertificates, MaySignCrls) = ReadKeyUsage();
        CommonName = DerName.CommonName(Subject);
        IssuerCommonName = DerName.CommonName(Issuer);
    }

    public ReadOnlyMemory<byte> Raw { get; }

    /// <summary>The INTEGER's content bytes.</summary>
    public ReadOnlyMemory<byte> SerialNumber { get; }

    /// <summary>DER Name.</summary>
    public ReadOnlyMemory<byte> Issuer { get; }

    /// <summary>DER Name.</summary>
    public ReadOnlyMemory<byte> Subject { get; }

    public DateTimeOffset NotBefore { get; }

    public DateTimeOffset NotAfter { get; }

    /// <summary>DER SubjectPublicKeyInfo.</summary>
    public ReadOnlyMemory<byte> PublicKeyInfo { get; }

    /// <summary>Content of each extension by object identifier.</summary>
    public FrozenDictionary<string, ReadOnlyMemory<byte>> Extensions { get; }

    public string? CommonName { get; }

    public string? IssuerCommonName { get; }

    /// <summary>cA of the basic constraints.</summary>
    public bool IsAuthority { get; }

    public int? PathLength { get; }

    /// <summary>Key usage allows it, or there is none.</summary>
    public bool MaySignCertificates { get; }

    /// <summary>Key usage allows it, or there is none.</summary>
    public bool MaySignCrls { get; }

    public bool IsSelfIssued => Issuer.Span.SequenceEqual(Subject.Span);

    /// <exception cref="EvidenceException">Not one certificate and nothing else, in DER.</exception>
    public static Certificate Parse(ReadOnlyMemory<byte> der)
    {
        if (der.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "certificate too large");
        }

        try
        {
            AsnReader outer = new(der, AsnEncodingRules.DER);
            ReadOnlyMemory<byte> raw = outer.PeekEncodedValue();
            SignedDer signed = SignedDer.Read(outer);
            outer.ThrowIfNotEmpty();
            return new Certificate(raw, signed, new AsnReader(signed.ToBeSigned, AsnEncodingRules.DER).ReadSequence());
        }
        catch (AsnContentException e)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "certificate: " + e.Message);
        }
    }

    public bool IsValidAt(DateTimeOffset now) => NotBefore <= now && now <= NotAfter;

    public bool IsSignedBy(VerificationKey key) => _signed.IsSignedBy(key);

    public VerificationKey OpenKey() => VerificationKey.FromPublicKeyInfo(PublicKeyInfo.Span);

    private static void ReadExtensions(AsnReader list, Dictionary<string, ReadOnlyMemory<byte>> extensions)
    {
        while (list.HasData)
        {
            AsnReader extension = list.ReadSequence();
            string oid = extension.ReadObjectIdentifier();
            if (extension.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean))
            {
                extension.ReadBoolean();
            }

            if (!extensions.TryAdd(oid, extension.ReadOctetString()) || extensions.Count > MaxExtensions)
            {
                throw new EvidenceException(EvidenceErrorCode.Malformed, "certificate extensions");
            }
        }
    }

    private (bool IsAuthority, int? PathLength) ReadBasicConstraints()
    {
        if (!Extensions.TryGetValue(BasicConstraintsOid, out ReadOnlyMemory<byte> bytes))
        {
            return (false, null);
        }

        AsnReader constraints = new AsnReader(bytes, AsnEncodingRules.DER).ReadSequence();
        bool isAuthority = constraints.HasData && constraints.PeekTag().HasSameClassAndValue(Asn1Tag.Boolean) && constraints.ReadBoolean();
        int? length = constraints.HasData && constraints.TryReadInt32(out int value) ? value : null;
        return (isAuthority, length);
    }

    private (bool Certificates, bool Crls) ReadKeyUsage()
    {
        if (!Extensions.TryGetValue(KeyUsageOid, out ReadOnlyMemory<byte> bytes))
        {
            return (true, true);
        }

        byte[] bits = new AsnReader(bytes, AsnEncodingRules.DER).ReadBitString(out _);
        bool Has(int bit) => bits.Length > bit / 8 && (bits[bit / 8] & (0x80 >> (bit % 8))) != 0;
        return (Has(KeyCertSign), Has(CrlSign));
    }
}
