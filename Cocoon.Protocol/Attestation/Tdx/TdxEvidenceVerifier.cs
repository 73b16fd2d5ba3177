using System.Collections.Immutable;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Verifies bundles whose evidence is a TDX quote, with its event log where there is one.</summary>
internal sealed class TdxEvidenceVerifier(TrustAnchor root, GpuRoots gpuRoots) : HardwareEvidenceVerifier(gpuRoots)
{
    public override EvidenceKind Kind => EvidenceKind.IntelTdx;

    protected override EvidenceFacts VerifyPlatform(
        EvidenceBundle bundle, CollateralSet collateral, DateTimeOffset now, out ReadOnlySpan<byte> reportData)
    {
        TdxResult result = TdxVerifier.Verify(bundle.Evidence.AsMemory(), collateral, root, now);
        List<string> reasons = [.. result.Reasons];
        reportData = [];
        if (result.Facts is { } facts)
        {
            reportData = facts.Quote.Body.ReportData;
            CheckEventLog(bundle.EventLog, facts.Quote.Body, reasons);
        }

        return new EvidenceFacts { Reasons = reasons, ValidUntil = result.ValidUntil, Tdx = result.Facts };
    }

    private static void CheckEventLog(ImmutableArray<byte> log, TdxReportBody body, List<string> reasons)
    {
        if (log.IsEmpty)
        {
            return;
        }

        try
        {
            ImmutableArray<ImmutableArray<byte>> replayed = CcelLog.Parse(log.AsSpan()).Replay();
            for (int i = 0; i < TdxReportBody.Registers; i++)
            {
                if (!body.Rtmr(i).SequenceEqual(replayed[i].AsSpan()))
                {
                    reasons.Add(TdxReasons.EventLogMismatch);
                    return;
                }
            }
        }
        catch (EvidenceException)
        {
            reasons.Add(TdxReasons.EventLogMalformed);
        }
    }
}
