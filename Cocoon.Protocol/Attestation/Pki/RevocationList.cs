using System.Formats.Asn1;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>A certificate revocation list (RFC 5280 §5.1). Parsing proves nothing.</summary>
/// <remarks>Read by hand: on Linux <c>X509Chain</c> takes revocation from the network or its own cache only.</remarks>
internal sealed class RevocationList
{
    public const int MaxSize = 256 << 10;

    private readonly SignedDer _signed;
    private readonly HashSet<string> _serials = new(StringComparer.Ordinal);

    private RevocationList(SignedDer signed, AsnReader toBeSigned)
    {
        _signed = signed;
        if (toBeSigned.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            toBeSigned.ReadIntegerBytes();
        }

        if (!toBeSigned.ReadEncodedValue().Span.SequenceEqual(signed.Algorithm.Span))
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "CRL algorithms differ");
        }

        Issuer = toBeSigned.ReadEncodedValue();
        IssuerCommonName = DerName.CommonName(Issuer);
        ThisUpdate = DerTime.Read(toBeSigned);
        NextUpdate = DerTime.IsNext(toBeSigned)
            ? DerTime.Read(toBeSigned)
            : throw new EvidenceException(EvidenceErrorCode.Malformed, "CRL without nextUpdate");
        if (!toBeSigned.HasData || !toBeSigned.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            return;
        }

        AsnReader entries = toBeSigned.ReadSequence();
        while (entries.HasData)
        {
            _serials.Add(Key(entries.ReadSequence().ReadIntegerBytes()));
        }
    }

    /// <summary>DER Name.</summary>
    public ReadOnlyMemory<byte> Issuer { get; }

    public string? IssuerCommonName { get; }

    public DateTimeOffset ThisUpdate { get; }

    /// <summary>Inclusive.</summary>
    public DateTimeOffset NextUpdate { get; }

    /// <summary>Hexadecimal, without leading zeros, ascending.</summary>
    public IEnumerable<string> Serials => _serials.OrderBy(s => s.Length).ThenBy(s => s, StringComparer.Ordinal);

    /// <exception cref="EvidenceException">Not one CRL and nothing else, in DER.</exception>
    public static RevocationList Parse(ReadOnlyMemory<byte> der)
    {
        if (der.Length > MaxSize)
        {
            throw new EvidenceException(EvidenceErrorCode.TooLarge, "CRL too large");
        }

        try
        {
            AsnReader outer = new(der, AsnEncodingRules.DER);
            SignedDer signed = SignedDer.Read(outer);
            outer.ThrowIfNotEmpty();
            return new RevocationList(signed, new AsnReader(signed.ToBeSigned, AsnEncodingRules.DER).ReadSequence());
        }
        catch (AsnContentException e)
        {
            throw new EvidenceException(EvidenceErrorCode.Malformed, "CRL: " + e.Message);
        }
    }

    public bool IsCurrentAt(DateTimeOffset now) => ThisUpdate <= now && now <= NextUpdate;

    public bool IsSignedBy(VerificationKey key) => _signed.IsSignedBy(key);

    public bool Revokes(Certificate certificate) => _serials.Contains(Key(certificate.SerialNumber));

    private static string Key(ReadOnlyMemory<byte> serial)
    {
        string hex = Convert.ToHexStringLower(serial.Span).TrimStart('0');
        return hex.Length == 0 ? "0" : hex;
    }
}
