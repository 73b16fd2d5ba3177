using Cocoon.Protocol.Attestation;

namespace Cocoon.Enclave.Attestation;

/// <summary>Makes evidence about a binding. One implementation per kind; hardware sources have their place beside the simulated one.</summary>
internal interface IEvidenceSource
{
    EvidenceKind Kind { get; }

    /// <summary>The tier that this evidence will give with a verifier, as far as this side can tell.</summary>
    Tier Tier { get; }

    /// <param name="binding">With <see cref="EnclaveBinding.Kind"/> equal to <see cref="Kind"/>.</param>
    ValueTask<EvidenceBundle> CollectAsync(EnclaveBinding binding, CancellationToken cancellationToken);
}
