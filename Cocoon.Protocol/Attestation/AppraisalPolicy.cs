using System.Collections.Immutable;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

/// <summary>What a client accepts. Everything not listed is refused.</summary>
internal sealed record AppraisalPolicy
{
    /// <summary>The policy of a client whose user said nothing. It lists no image, so it accepts no hardware evidence yet.</summary>
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

    /// <summary>Digests, in lower-case hexadecimal, of the rules that an enclave may keep (<see cref="EnclavePolicy"/>). Empty: any that its tier allows.</summary>
    public ImmutableHashSet<string> EnclavePolicies { get; init; } = [];

    /// <summary>Images that may run; hardware evidence of any other is refused.</summary>
    public ImmutableArray<Release> Releases { get; init; } = [];

    public TdxPolicy Tdx { get; init; } = TdxPolicy.Strict;

    public SnpPolicy Snp { get; init; } = SnpPolicy.Strict;

    public GpuPolicy Gpu { get; init; } = GpuPolicy.Strict;

    /// <summary>This policy, with simulated evidence accepted besides when <paramref name="allow"/> says so; its id tells.</summary>
    public AppraisalPolicy AllowingSimulated(bool allow) =>
        allow && !AllowSimulated ? this with { Id = Id + "+simulated", AllowSimulated = true } : this;

    /// <summary>The hardware's part: kind, platform, guest and image. Reasons are added in that order.</summary>
    public void CheckTdx(TdxFacts facts, DateTimeOffset now, ICollection<string> reasons)
    {
        CheckKind(EvidenceKind.IntelTdx, reasons);
        Tdx.Check(facts, now, reasons);
        if (!Releases.OfType<TdxRelease>().Any(r => r.IsCurrentAt(now) && r.Matches(facts.Quote.Body)))
        {
            reasons.Add(ReasonWords.PolicyMeasurement);
        }
    }

    /// <inheritdoc cref="CheckTdx"/>
    public void CheckSnp(SnpFacts facts, DateTimeOffset now, ICollection<string> reasons)
    {
        CheckKind(EvidenceKind.AmdSevSnp, reasons);
        Snp.Check(facts, reasons);
        if (!Releases.OfType<SnpRelease>().Any(r => r.IsCurrentAt(now) && r.Matches(facts.Report)))
        {
            reasons.Add(ReasonWords.PolicyMeasurement);
        }
    }

    private void CheckKind(EvidenceKind kind, ICollection<string> reasons)
    {
        if (!Kinds.Contains(kind))
        {
            reasons.Add(ReasonWords.PolicyKind);
        }
    }
}
