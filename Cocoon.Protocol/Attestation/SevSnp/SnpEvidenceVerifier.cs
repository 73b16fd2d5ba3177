using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>Verifies bundles whose evidence is an SEV-SNP report: the report, that it is about the binding, and the GPUs that the binding names.</summary>
internal sealed class SnpEvidenceVerifier(SnpRoots roots, GpuRoots gpuRoots) : IEvidenceVerifier
{
    public EvidenceKind Kind => EvidenceKind.AmdSevSnp;

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

        SnpResult report = SnpVerifier.Verify(bundle.Evidence.AsMemory(), collateral, roots, now);
        if (report.Facts is not { } facts)
        {
            return EvidenceFacts.Refused(report.Reasons[0]);
        }

        List<string> reasons = [.. report.Reasons];
        if (!CryptographicOperations.FixedTimeEquals(facts.Report.ReportData, EnclaveBinding.ReportData(bundle.Binding.AsSpan())))
        {
            reasons.Add(ReasonWords.ReportDataMismatch);
        }

        BoundGpus gpus = BoundGpus.Verify(bundle, binding, gpuRoots, now);
        reasons.AddRange(gpus.Reasons);
        return new EvidenceFacts
        {
            Reasons = reasons,
            Tier = gpus.Tier,
            ValidUntil = gpus.ValidUntil < report.ValidUntil ? gpus.ValidUntil : report.ValidUntil,
            Snp = facts,
            Gpus = gpus.Facts,
        };
    }
}
