using System.Collections.Immutable;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

/// <summary>What a client accepts. Everything not listed is refused.</summary>
internal sealed record AppraisalPolicy
{
    /// <summary>The policy of a client whose user said nothing.</summary>
    public static AppraisalPolicy Default { get; } = new() { Id = "default" };

    /// <summary>Goes into caches and receipts; change it whenever the content changes.</summary>
    public required string Id { get; init; }

    /// <summary>Hardware kinds that are accepted; simulated evidence has its own switch.</summary>
    public ImmutableHashSet<EvidenceKind> Kinds { get; init; } = [EvidenceKind.IntelTdx, EvidenceKind.AmdSevSnp];

    /// <summary>Accepts enclaves that nothing protects from the machine's owner; every use is printed.</summary>
    public bool AllowSimulated { get; init; }

    public Tier MinimumTier { get; init; } = Tier.Open;

    /// <summary>Empty: any model that the user asked for.</summary>
    public ImmutableHashSet<ModelId> Models { get; init; } = [];

    public TimeSpan MaxEvidenceAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Evidence made for each session instead of the enclave's current one: costs a quote, a second or so on TDX.</summary>
    public bool RequireFreshEvidence { get; init; }

    /// <summary>Requests are sealed to hybrid post-quantum keys or not at all.</summary>
    public bool RequirePostQuantum { get; init; }
}
