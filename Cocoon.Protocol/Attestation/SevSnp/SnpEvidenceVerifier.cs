using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;

namespace Cocoon.Protocol.Attestation.SevSnp;

/// <summary>Verifies bundles whose evidence is an SEV-SNP report.</summary>
internal sealed class SnpEvidenceVerifier(SnpRoots roots, GpuRoots gpuRoots) : HardwareEvidenceVerifier(gpuRoots)
{
    public override EvidenceKind Kind => EvidenceKind.AmdSevSnp;

    protected override EvidenceFacts VerifyPlatform(
        EvidenceBundle bundle, CollateralSet collateral, DateTimeOffset now, out ReadOnlySpan<byte> reportData)
    {
        SnpResult result = SnpVerifier.Verify(bundle.Evidence.AsMemory(), collateral, roots, now);
        reportData = result.Facts is { } facts ? facts.Report.ReportData : [];
        return new EvidenceFacts { Reasons = result.Reasons, ValidUntil = result.ValidUntil, Snp = result.Facts };
    }
}
