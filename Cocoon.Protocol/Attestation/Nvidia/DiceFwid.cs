using System.Formats.Asn1;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>The firmware digest that a device's certificate was issued for.</summary>
/// <remarks>Hopper: the last 48 bytes of extension 2.23.133.5.4.1. Blackwell: the first FWID of a DICE TcbInfo, 2.23.133.5.4.1.1 (TCG DICE attestation architecture §6.1.1).</remarks>
internal static class DiceFwid
{
    public const int Size = 48;

    private const string HopperOid = "2.23.133.5.4.1";
    private const string TcbInfoOid = "2.23.133.5.4.1.1";
    private static readonly Asn1Tag FwidsTag = new(TagClass.ContextSpecific, 6, isConstructed: true);

    /// <summary><c>null</c> when the certificate does not say it.</summary>
    public static byte[]? Find(Certificate leaf)
    {
        if (leaf.Extensions.TryGetValue(HopperOid, out ReadOnlyMemory<byte> hopper))
        {
            return hopper.Length >= Size ? hopper[^Size..].ToArray() : null;
        }

        return leaf.Extensions.TryGetValue(TcbInfoOid, out ReadOnlyMemory<byte> tcbInfo) ? ReadTcbInfo(tcbInfo) : null;
    }

    private static byte[]? ReadTcbInfo(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            AsnReader fields = new AsnReader(bytes, AsnEncodingRules.DER).ReadSequence();
            while (fields.HasData)
            {
                if (fields.PeekTag().HasSameClassAndValue(FwidsTag))
                {
                    AsnReader fwid = fields.ReadSequence(FwidsTag).ReadSequence();
                    fwid.ReadObjectIdentifier();
                    return fwid.ReadOctetString();
                }

                fields.ReadEncodedValue();
            }

            return null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
