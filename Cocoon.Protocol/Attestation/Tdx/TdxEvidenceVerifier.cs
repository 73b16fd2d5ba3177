using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;

namespace Cocoon.Protocol.Attestation.Tdx;

/// <summary>Verifies bundles whose evidence is a TDX quote: the quote, that it is about the binding, its event log, and the GPUs that the binding names.</summary>
internal sealed class TdxEvidenceVerifier(TrustAnchor root, GpuRoots gpuRoots) : IEvidenceVerifier
{
    public EvidenceKind Kind => EvidenceKind.IntelTdx;

    public EvidenceFacts Verify(EvidenceBundle bundle, EnclaveBinding binding, DateTimeOffset now)
    {
        CollateralSet collateral;
        try
        {
            collateral = CollateralSet.FromItems(bundle.Collateral);
        }
        catch (EvidenceException)
        {
            return EvidenceFacts.Refused(ReasonWords.CollateralMalformed);
        }

        TdxResult quote = TdxVerifier.Verify(bundle.Evidence.AsMemory(), collateral, root, now);
        if (quote.Facts is not { } facts)
        {
            return EvidenceFacts.Refused(quote.Reasons[0]);
        }

        List<string> reasons = [.. quote.Reasons];
        if (!CryptographicOperations.FixedTimeEquals(facts.Quote.Body.ReportData, EnclaveBinding.ReportData(bundle.Binding.AsSpan())))
        {
            reasons.Add(ReasonWords.ReportDataMismatch);
        }

        CheckEventLog(bundle.EventLog, facts.Quote.Body, reasons);
        BoundGpus gpus = BoundGpus.Verify(bundle, binding, gpuRoots, now);
        reasons.AddRange(gpus.Reasons);
        return new EvidenceFacts
        {
            Reasons = reasons,
            Tier = gpus.Tier,
            ValidUntil = gpus.ValidUntil < quote.ValidUntil ? gpus.ValidUntil : quote.ValidUntil,
            Tdx = facts,
            Gpus = gpus.Facts,
        };
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
