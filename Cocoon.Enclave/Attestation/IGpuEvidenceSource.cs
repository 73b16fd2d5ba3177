using Cocoon.Protocol.Attestation;

namespace Cocoon.Enclave.Attestation;

/// <summary>The GPUs of this machine that can attest themselves.</summary>
internal interface IGpuEvidenceSource
{
    /// <summary>0 on machines without GPUs in confidential mode.</summary>
    int Count { get; }

    /// <param name="nonce">32 bytes that the device signs.</param>
    /// <exception cref="IOException">The driver gave no report.</exception>
    GpuEvidence Collect(int device, ReadOnlySpan<byte> nonce);
}
