using System.Formats.Asn1;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>What a VCEK or VLEK certificate says about its key.</summary>
/// <remarks>
/// AMD publication 57230 §3, extensions under 1.3.6.1.4.1.3704.1: .2 product name, .3.1 boot loader, .3.2 TEE, .3.3 SNP, .3.8
/// microcode, .3.9 FMC (Turin), .4 hardware id (raw bytes, 64 or 8 on Turin), .5 cloud provider (VLEK).
/// </remarks>
internal sealed record SnpEndorsement(SnpTcb Tcb, ReadOnlyMemory<byte>? HardwareId, string? ProductName, string? CspId)
{
    private const string Oid = "1.3.6.1.4.1.3704.1.";

    public SnpSigningKey Kind => HardwareId is null ? SnpSigningKey.Vlek : SnpSigningKey.Vcek;

    public static bool IsEndorsement(Certificate certificate) => certificate.Extensions.ContainsKey(Oid + "3.1");

    /// <exception cref="EvidenceException">An extension is missing or malformed.</exception>
    public static SnpEndorsement Parse(Certificate certificate)
    {
        try
        {
            byte Svn(string suffix) => new AsnReader(certificate.Extensions[Oid + suffix], AsnEncodingRules.DER) is var reader
                && reader.TryReadInt32(out int value) && !reader.HasData && value is >= 0 and <= byte.MaxValue
                    ? (byte)value
                    : throw Malformed();
            byte? fmc = certificate.Extensions.ContainsKey(Oid + "3.9") ? Svn("3.9") : null;
            return new SnpEndorsement(
                new SnpTcb(fmc, Svn("3.1"), Svn("3.2"), Svn("3.3"), Svn("3.8")),
                certificate.Extensions.TryGetValue(Oid + "4", out ReadOnlyMemory<byte> id) ? id : (ReadOnlyMemory<byte>?)null,
                Text(certificate, "2"),
                Text(certificate, "5"));
        }
        catch (Exception e) when (e is AsnContentException or KeyNotFoundException)
        {
            throw Malformed();
        }
    }

    /// <summary>Whether the certified key is for this TCB; only Turin's has an FMC.</summary>
    public bool IsForTcb(SnpTcb reported) => (reported.Fmc is null ? Tcb with { Fmc = null } : Tcb) == reported;

    /// <summary>Whether the certified key is of the chip that the report names; the bytes after a shorter id must be zero.</summary>
    public bool IsOfChip(ReadOnlySpan<byte> chipId) =>
        HardwareId is { Length: 8 or 64 } id && chipId.StartsWith(id.Span) && !chipId[id.Length..].ContainsAnyExcept((byte)0);

    private static string? Text(Certificate certificate, string suffix)
    {
        return certificate.Extensions.TryGetValue(Oid + suffix, out ReadOnlyMemory<byte> bytes)
            ? DerText.Read(new AsnReader(bytes, AsnEncodingRules.DER))
            : null;
    }

    private static EvidenceException Malformed() => new(EvidenceErrorCode.Malformed, "SEV-SNP endorsement");
}
