using System.Formats.Asn1;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>The string types that occur in certificates' names and extensions.</summary>
internal static class DerText
{
    /// <exception cref="AsnContentException">Another type, or bytes that are no text of it.</exception>
    public static string Read(AsnReader reader)
    {
        Asn1Tag tag = reader.PeekTag();
        UniversalTagNumber type = (UniversalTagNumber)tag.TagValue;
        return tag.TagClass == TagClass.Universal
            && type is UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String
                or UniversalTagNumber.T61String or UniversalTagNumber.VisibleString or UniversalTagNumber.BMPString
                ? reader.ReadCharacterString(type)
                : throw new AsnContentException("not a string of a known type");
    }
}
