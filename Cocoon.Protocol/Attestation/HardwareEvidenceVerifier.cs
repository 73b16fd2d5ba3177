using System.Security.Cryptography;
using Cocoon.Protocol.Attestation.Collateral;
using Cocoon.Protocol.Attestation.Nvidia;

namespace Cocoon.Protocol.Attestation;

/// <summary>What all hardware evidence has in common: collateral beside it, that it is about the binding, and the GPUs that the binding names.</summary>
internal abstract class HardwareEvidenceVerifier(GpuRoots gpuRoots) : IEvidenceVerifier
{
    public abstract EvidenceKind Kind { get; }

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

        EvidenceFacts platform = VerifyPlatform(bundle, collateral, now, out ReadOnlySpan<byte> reportData);
        if (reportData.IsEmpty)
        {
            return EvidenceFacts.Refused(platform.Reasons[0]);
        }

        List<string> reasons = [.. platform.Reasons];
        if (!CryptographicOperations.FixedTimeEquals(reportData, EnclaveBinding.ReportData(bundle.Binding.AsSpan())))
        {
            reasons.Add(ReasonWords.ReportDataMismatch);
        }

        BoundGpus gpus = BoundGpus.Verify(bundle, binding, gpuRoots, now);
        reasons.AddRange(gpus.Reasons);
        return platform with
        {
            Reasons = reasons,
            Tier = gpus.Tier,
            ValidUntil = gpus.ValidUntil < platform.ValidUntil ? gpus.ValidUntil : platform.ValidUntil,
            Gpus = gpus.Facts,
        };
    }

    /// <summary>The platform's own part, up to the vendor's root.</summary>
    /// <param name="reportData">What the evidence was made over; empty when it could not be parsed.</param>
    protected abstract EvidenceFacts VerifyPlatform(
        EvidenceBundle bundle, CollateralSet collateral, DateTimeOffset now, out ReadOnlySpan<byte> reportData);
}
