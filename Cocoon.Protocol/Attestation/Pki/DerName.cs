using System.Formats.Asn1;

namespace Cocoon.Protocol.Attestation.Pki;

/// <summary>The DER Name of RFC 5280 §4.1.2.4. Names are compared as encoded; the common name is for recognising vendors' roles.</summary>
internal static class DerName
{
    private const string CommonNameOid = "2.5.4.3";

    /// <summary>The first CN; <c>null</c> when there is none.</summary>
    /// <exception cref="AsnContentException">Not a Name.</exception>
    public static string? CommonName(ReadOnlyMemory<byte> name)
    {
        AsnReader sets = new AsnReader(name, AsnEncodingRules.DER).ReadSequence();
        while (sets.HasData)
        {
            AsnReader pairs = sets.ReadSetOf();
            while (pairs.HasData)
            {
                AsnReader pair = pairs.ReadSequence();
                if (pair.ReadObjectIdentifier() == CommonNameOid)
                {
                    return DerText.Read(pair);
                }
            }
        }

        return null;
    }
}
