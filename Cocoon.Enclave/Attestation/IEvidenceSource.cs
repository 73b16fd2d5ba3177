using Cocoon.Protocol.Attestation;

namespace Cocoon.Enclave.Attestation;

/// <summary>Makes evidence about a binding. One implementation for confidential virtual machines, one for machines that are none.</summary>
internal interface IEvidenceSource
{
    EvidenceKind Kind { get; }

    /// <summary>The tier that this evidence will give with a verifier, as far as this side can tell.</summary>
    Tier Tier { get; }

    /// <param name="binding">With <see cref="EnclaveBinding.Kind"/> equal to <see cref="Kind"/> and no GPUs: a source that has some names them.</param>
    ValueTask<EvidenceBundle> CollectAsync(EnclaveBinding binding, CancellationToken cancellationToken);
}
