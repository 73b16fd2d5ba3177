using System.Collections.Immutable;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.EventLog;
using Cocoon.Protocol.Attestation.Nvidia;

namespace Cocoon.Enclave.Attestation.Tsm;

/// <summary>Evidence of a confidential virtual machine: a TDX quote or SEV-SNP report over the binding, with its GPUs' reports when there are any.</summary>
/// <param name="collateral">What the host fetched from the vendors; signed by them, so the host can withhold it but not change it.</param>
/// <param name="readEventLog">The firmware's event log; empty where there is none.</param>
internal sealed class TsmEvidenceSource(
    EvidenceKind kind, TsmReportReader reports, IGpuEvidenceSource gpus, ImmutableArray<CollateralItem> collateral, Func<byte[]> readEventLog)
    : IEvidenceSource, IDisposable
{
    public EvidenceKind Kind => kind;

    public Tier Tier => gpus.Count > 0 ? Tier.CcGpu : Tier.CcCpu;

    public async ValueTask<EvidenceBundle> CollectAsync(EnclaveBinding binding, CancellationToken cancellationToken)
    {
        // GPUs first: the binding names their reports, and the quote covers the binding.
        GpuEvidence[] devices =
        [
            .. Enumerable.Range(0, gpus.Count).Select(i => gpus.Collect(i, GpuNonce.Derive(binding.BootNonce.AsSpan(), binding.IdentityKey.AsSpan(), i))),
        ];
        EnclaveBinding whole = binding with { GpuEvidenceDigests = [.. devices.Select(d => ImmutableArray.Create(BoundGpus.Digest(d.Report.AsSpan())))] };
        byte[] bytes = whole.Encode();
        TsmReport report = await reports.ReadAsync(kind, EnclaveBinding.ReportData(bytes), cancellationToken);
        ImmutableArray<CollateralItem> items = report.Auxiliary.Length == 0 ? collateral : collateral.Add(new CollateralItem("auxblob", [.. report.Auxiliary]));
        byte[] log = kind == EvidenceKind.IntelTdx ? TrimLog(readEventLog()) : [];
        return new EvidenceBundle
        {
            Binding = [.. bytes],
            Evidence = [.. report.Evidence],
            EventLog = [.. log],
            Collateral = items,
            Gpus = [.. devices],
        };
    }

    public void Dispose() => (gpus as IDisposable)?.Dispose();

    // Firmware maps a fixed area and fills what it does not use with ones.
    private static byte[] TrimLog(byte[] log)
    {
        int used = log.AsSpan().LastIndexOfAnyExcept((byte)0xFF) + 1;
        return used <= CcelLog.MaxSize ? log[..Math.Min(log.Length, used + sizeof(uint))] : [];
    }
}
