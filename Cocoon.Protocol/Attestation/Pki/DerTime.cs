using System.Formats.Asn1;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>The CHOICE Time of RFC 5280 §4.1.2.5.</summary>
internal static class DerTime
{
    public static bool IsNext(AsnReader reader) =>
        reader.HasData && (reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) || reader.PeekTag().HasSameClassAndValue(Asn1Tag.GeneralizedTime));

    public static DateTimeOffset Read(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();
}
