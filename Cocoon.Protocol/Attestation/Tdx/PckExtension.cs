using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Globalization;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Intel's extension of a PCK certificate: which platform, and which TCB the key was derived for.</summary>
/// <remarks>
/// "SGX PCK Certificate and CRL Profile" §1.3.5, under 1.2.840.113741.1.13.1: .1 PPID, .2 TCB {.1–.16 component SVNs, .17 PCESVN,
/// .18 CPUSVN}, .3 PCE-ID, .4 FMSPC, .5 SGX type, .6 platform instance id, .7 configuration.
/// </remarks>
internal sealed record PckExtension
{
    public const int Components = 16;

    private const string Oid = "1.2.840.113741.1.13.1";

    public required ImmutableArray<byte> Ppid { get; init; }

    public required ImmutableArray<int> ComponentSvns { get; init; }

    public required int PceSvn { get; init; }

    public required ImmutableArray<byte> CpuSvn { get; init; }

    /// <summary>Lower-case hexadecimal, 2 bytes.</summary>
    public required string PceId { get; init; }

    /// <summary>Lower-case hexadecimal, 6 bytes.</summary>
    public required string Fmspc { get; init; }

    /// <exception cref="EvidenceException">The extension is missing, incomplete or malformed.</exception>
    public static PckExtension Parse(Certificate pck)
    {
        if (!pck.Extensions.TryGetValue(Oid, out ReadOnlyMemory<byte> bytes))
        {
            throw Malformed();
        }

        try
        {
            Dictionary<string, byte[]> octets = new(StringComparer.Ordinal);
            int?[] svns = new int?[Components + 1];
            AsnReader list = new AsnReader(bytes, AsnEncodingRules.DER).ReadSequence();
            while (list.HasData)
            {
                AsnReader item = list.ReadSequence();
                string oid = item.ReadObjectIdentifier();
                if (oid == Oid + ".2")
                {
                    ReadTcb(item.ReadSequence(), svns, octets);
                }
                else if (oid is Oid + ".1" or Oid + ".3" or Oid + ".4")
                {
                    octets.Add(oid, item.ReadOctetString());
                }
            }

            byte[] Octets(string suffix, int length) => octets.TryGetValue(Oid + suffix, out byte[]? v) && v.Length == length ? v : throw Malformed();
            int Svn(int? value) => value ?? throw Malformed();
            return new PckExtension
            {
                Ppid = [.. Octets(".1", 16)],
                ComponentSvns = [.. svns.Take(Components).Select(Svn)],
                PceSvn = Svn(svns[Components]),
                CpuSvn = [.. Octets(".2.18", 16)],
                PceId = Convert.ToHexStringLower(Octets(".3", 2)),
                Fmspc = Convert.ToHexStringLower(Octets(".4", 6)),
            };
        }
        catch (Exception e) when (e is AsnContentException or ArgumentException or OverflowException)
        {
            throw Malformed();
        }
    }

    private static void ReadTcb(AsnReader tcb, int?[] svns, Dictionary<string, byte[]> octets)
    {
        while (tcb.HasData)
        {
            AsnReader item = tcb.ReadSequence();
            string oid = item.ReadObjectIdentifier();
            if (!oid.StartsWith(Oid + ".2.", StringComparison.Ordinal)
                || !int.TryParse(oid.AsSpan(Oid.Length + 3), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                || number is < 1 or > Components + 2)
            {
                throw Malformed();
            }

            if (number == Components + 2)
            {
                octets.Add(oid, item.ReadOctetString());
            }
            else
            {
                svns[number - 1] = svns[number - 1] is null && item.TryReadInt32(out int svn) && svn is >= 0 and <= ushort.MaxValue
                    ? svn
                    : throw Malformed();
            }
        }
    }

    private static EvidenceException Malformed() => new(EvidenceErrorCode.Malformed, "PCK extension");
}
