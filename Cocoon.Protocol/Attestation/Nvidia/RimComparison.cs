using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Nvidia;

/// <summary>A report's measurements against the manifests for its driver and VBIOS.</summary>
internal sealed class RimComparison
{
    // The measurement of the first video decoder, which is absent while that is off.
    private const int Nvdec0Index = 35;

    private readonly List<string> _reasons = [];

    private RimComparison()
    {
    }

    public IReadOnlyList<string> Reasons => _reasons;

    public RimState Driver { get; private set; }

    public RimState Vbios { get; private set; }

    public DateTimeOffset ValidUntil { get; private set; } = DateTimeOffset.MaxValue;

    public static RimComparison Compare(GpuReport report, IEnumerable<ReadOnlyMemory<byte>> rims, TrustAnchor root, DateTimeOffset now)
    {
        RimComparison comparison = new();
        RimManifest? driver = null;
        RimManifest? vbios = null;
        foreach (ReadOnlyMemory<byte> xml in rims)
        {
            RimManifest rim;
            try
            {
                rim = RimManifest.Parse(xml);
            }
            catch (EvidenceException)
            {
                comparison.Add(GpuReasons.RimMalformed);
                continue;
            }

            bool isDriver = rim.ColloquialVersion == report.DriverVersion;
            bool isVbios = string.Equals(rim.ColloquialVersion, report.VbiosVersion, StringComparison.OrdinalIgnoreCase);
            if (!isDriver && !isVbios)
            {
                continue;
            }

            RimState state = comparison.Judge(report, rim, root, now);
            if (isDriver)
            {
                (driver, comparison.Driver) = (rim, state);
            }
            else
            {
                (vbios, comparison.Vbios) = (rim, state);
            }
        }

        if (driver is not null && vbios is not null && driver.Active.Select(m => m.Index).Intersect(vbios.Active.Select(m => m.Index)).Any())
        {
            comparison.Add(GpuReasons.RimConflict);
        }

        return comparison;
    }

    /// <summary>Every active measurement has one of the manifest's values.</summary>
    public static bool IsMatch(GpuReport report, RimManifest rim) => rim.Active.All(
        m => (m.Index == Nvdec0Index && !report.IsNvdec0Enabled)
            || (report.Blocks.TryGetValue(m.Index + 1, out ReadOnlyMemory<byte> value) && m.Alternatives.Any(a => value.Span.SequenceEqual(a.AsSpan()))));

    private RimState Judge(GpuReport report, RimManifest rim, TrustAnchor root, DateTimeOffset now)
    {
        switch (rim.Verify(root, now))
        {
            case RimFault.None when IsMatch(report, rim):
                ValidUntil = rim.ValidUntil < ValidUntil ? rim.ValidUntil : ValidUntil;
                return RimState.Matched;
            case RimFault.None:
                Add(GpuReasons.RimMismatch);
                break;
            case RimFault.Signature:
                Add(GpuReasons.RimSignature);
                break;
            case RimFault.Chain:
                Add(GpuReasons.RimChain);
                break;
            default:
                Add(GpuReasons.RimExpired);
                break;
        }

        return RimState.Refused;
    }

    private void Add(string reason)
    {
        if (!_reasons.Contains(reason))
        {
            _reasons.Add(reason);
        }
    }
}
