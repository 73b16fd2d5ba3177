using System.Collections.Immutable;
using System.Text;
using Cocoon.Protocol.Attestation;

namespace Cocoon.Enclave.Attestation.Nvml;

/// <summary>GPU evidence from NVIDIA's driver. Written from its header; it has not met a GPU in confidential mode yet.</summary>
internal sealed unsafe class NvmlGpuEvidenceSource : IGpuEvidenceSource, IDisposable
{
    private readonly ImmutableArray<ImmutableArray<byte>> _rims;
    private readonly bool _isOpen;

    private NvmlGpuEvidenceSource(bool isOpen, int count, ImmutableArray<ImmutableArray<byte>> rims)
    {
        _isOpen = isOpen;
        Count = count;
        _rims = rims;
    }

    public int Count { get; }

    /// <summary>Counts the GPUs when the library is there and confidential computing is on; none otherwise.</summary>
    public static NvmlGpuEvidenceSource Open(ImmutableArray<ImmutableArray<byte>> rims)
    {
        if (!NvmlLibrary.HasConfidentialComputing || NvmlLibrary.nvmlInit_v2() != NvmlLibrary.Success)
        {
            return new NvmlGpuEvidenceSource(false, 0, rims);
        }

        NvmlLibrary.ComputeState state = default;
        uint count = 0;
        bool isOn = NvmlLibrary.nvmlSystemGetConfComputeState(&state) == NvmlLibrary.Success
            && state.Feature != 0
            && state.DevToolsMode == 0
            && NvmlLibrary.nvmlDeviceGetCount_v2(&count) == NvmlLibrary.Success;
        return new NvmlGpuEvidenceSource(true, isOn ? (int)Math.Min(count, EvidenceBundle.MaxGpus) : 0, rims);
    }

    public GpuEvidence Collect(int device, ReadOnlySpan<byte> nonce)
    {
        nint handle = 0;
        Check(NvmlLibrary.nvmlDeviceGetHandleByIndex_v2((uint)device, &handle), "handle");
        NvmlLibrary.AttestationReport report = default;
        nonce.CopyTo(new Span<byte>(report.Nonce, NvmlLibrary.NonceSize));
        Check(NvmlLibrary.nvmlDeviceGetConfComputeGpuAttestationReport(handle, &report), "attestation report");
        NvmlLibrary.Certificates certificates = default;
        Check(NvmlLibrary.nvmlDeviceGetConfComputeGpuCertificate(handle, &certificates), "certificates");
        if (report.AttestationReportSize > NvmlLibrary.MaxReport || certificates.AttestationCertChainSize > NvmlLibrary.MaxChain)
        {
            throw new IOException("NVML: sizes beyond its own buffers");
        }

        return new GpuEvidence(
            [.. new ReadOnlySpan<byte>(report.Report, (int)report.AttestationReportSize)],
            Chain(new ReadOnlySpan<byte>(certificates.AttestationCertChain, (int)certificates.AttestationCertChainSize)),
            _rims,
            []);
    }

    public void Dispose()
    {
        if (_isOpen)
        {
            _ = NvmlLibrary.nvmlShutdown();
        }
    }

    /// <summary>PEM as the driver gives it, in the canonical spelling that verifiers ask for.</summary>
    private static ImmutableArray<byte> Chain(ReadOnlySpan<byte> pem)
    {
        IEnumerable<(string Label, byte[] Der)> blocks = Cocoon.Protocol.Attestation.Pki.PemReader.ReadLoose(pem.TrimEnd((byte)0));
        return [.. Encoding.ASCII.GetBytes(string.Concat(blocks.Select(b => System.Security.Cryptography.PemEncoding.WriteString(b.Label, b.Der) + "\n")))];
    }

    private static void Check(int result, string what)
    {
        if (result != NvmlLibrary.Success)
        {
            throw new IOException($"NVML gives no {what}: error {result}");
        }
    }
}
