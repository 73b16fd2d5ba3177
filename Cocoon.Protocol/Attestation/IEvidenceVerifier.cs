using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>Checks evidence of one kind: signatures, chains, collateral and that it is about this binding. Accepts nothing by itself.</summary>
/// <remarks>Pure: time and roots are arguments, there is no network. Hardware kinds have their folders beside <c>Simulated/</c>.</remarks>
internal interface IEvidenceVerifier
{
    EvidenceKind Kind { get; }

    EvidenceFacts Verify(EvidenceBundle bundle, EnclaveBinding binding, DateTimeOffset now);
}

/// <summary>The state of one process protection as the enclave reported it.</summary>
internal sealed record ProtectionClaim(string Name, string State, string Detail);

/// <summary>What a verifier found. Facts are only meaningful while <see cref="Reasons"/> is empty.</summary>
internal sealed record EvidenceFacts
{
    /// <summary>Why the evidence is not valid, as reason words; empty when it is.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>What the verified facts give; never what anybody claims.</summary>
    public Tier Tier { get; init; }

    /// <summary>When the evidence says it was made; <c>null</c> where the hardware has no clock.</summary>
    public DateTimeOffset? IssuedAt { get; init; }

    /// <summary>End of the earliest certificate, CRL or collateral used.</summary>
    public DateTimeOffset ValidUntil { get; init; }

    public IReadOnlyList<ProtectionClaim> Protections { get; init; } = [];

    /// <summary>Of TDX evidence.</summary>
    public TdxFacts? Tdx { get; init; }

    /// <summary>Of SEV-SNP evidence.</summary>
    public SnpFacts? Snp { get; init; }

    /// <summary>Of the GPUs that the binding names, in its order.</summary>
    public IReadOnlyList<GpuFacts> Gpus { get; init; } = [];

    public static EvidenceFacts Refused(string reason) => new() { Reasons = [reason] };
}
