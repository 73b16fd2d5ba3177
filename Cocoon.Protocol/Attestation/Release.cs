using System.Collections.Immutable;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>One published image that a policy accepts. Everything that is measured must be listed; an empty list accepts nothing.</summary>
internal abstract record Release(string Name, DateTimeOffset? NotAfter)
{
    public bool IsCurrentAt(DateTimeOffset now) => NotAfter is not { } end || now <= end;
}

/// <summary>An image for TDX. Measurements are SHA-384 in lower-case hexadecimal.</summary>
/// <remarks>
/// RTMR0 depends on the virtual machine's shape and so has one value per shape. A register that no list names must be zero, so
/// that nothing measured goes unnoticed.
/// </remarks>
internal sealed record TdxRelease(
    string Name,
    DateTimeOffset? NotAfter,
    ImmutableHashSet<string> MrTd,
    ImmutableArray<ImmutableHashSet<string>> Rtmrs,
    ImmutableHashSet<string> MrConfigIds) : Release(Name, NotAfter)
{
    public bool Matches(TdxReportBody body)
    {
        if (!MrTd.Contains(Convert.ToHexStringLower(body.MrTd)))
        {
            return false;
        }

        for (int i = 0; i < TdxReportBody.Registers; i++)
        {
            if (!IsListed(Rtmrs[i], body.Rtmr(i)))
            {
                return false;
            }
        }

        return IsListed(MrConfigIds, body.MrConfigId);
    }

    private static bool IsListed(ImmutableHashSet<string> values, ReadOnlySpan<byte> measured) =>
        values.IsEmpty ? !measured.ContainsAnyExcept((byte)0) : values.Contains(Convert.ToHexStringLower(measured));
}

/// <summary>An image for SEV-SNP. The measurement depends on the number and type of virtual CPUs: one value per shape.</summary>
internal sealed record SnpRelease(
    string Name,
    DateTimeOffset? NotAfter,
    ImmutableHashSet<string> Measurements,
    ImmutableHashSet<string> HostData,
    uint MinimumGuestSvn) : Release(Name, NotAfter)
{
    public bool Matches(SnpReport report) =>
        Measurements.Contains(Convert.ToHexStringLower(report.Measurement))
        && report.GuestSvn >= MinimumGuestSvn
        && (HostData.IsEmpty ? !report.HostData.ContainsAnyExcept((byte)0) : HostData.Contains(Convert.ToHexStringLower(report.HostData)));
}
