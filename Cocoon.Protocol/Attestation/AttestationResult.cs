using System.Collections.Immutable;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

internal enum Verdict
{
    Refused = 0,
    Accepted = 1,
}

/// <summary>The outcome of an appraisal. A refusal is a result, never an exception.</summary>
/// <param name="Reasons">Reason words, cryptographic ones before the policy's; empty when accepted.</param>
/// <param name="Claims"><c>null</c> when the evidence could not even be read.</param>
/// <param name="ValidUntil">Appraise again after this.</param>
/// <param name="EvidenceDigest">SHA-256 of the bundle.</param>
internal sealed record AttestationResult(
    Verdict Verdict,
    ImmutableArray<string> Reasons,
    EnclaveClaims? Claims,
    DateTimeOffset ValidUntil,
    string PolicyId,
    ImmutableArray<byte> EvidenceDigest)
{
    public bool IsAccepted => Verdict == Verdict.Accepted;
}

/// <summary>Who the enclave is, by its evidence. Trustworthy only in an accepted result.</summary>
internal sealed record EnclaveClaims
{
    public required EvidenceKind Kind { get; init; }

    public required Tier Tier { get; init; }

    /// <summary>Ed25519: signs HPKE keys, liveness, settlements and receipts.</summary>
    public required ImmutableArray<byte> IdentityKey { get; init; }

    public required ImmutableArray<byte> PeerId { get; init; }

    public required ImmutableArray<ModelId> Models { get; init; }

    public required ImmutableArray<byte> EngineDigest { get; init; }

    /// <summary>SHA-256 of the rules that the enclave keeps.</summary>
    public required ImmutableArray<byte> PolicyDigest { get; init; }

    /// <summary><c>null</c> when the bundle does not show the rules that the digest is of.</summary>
    public EnclavePolicy? EnclavePolicy { get; init; }

    public required ImmutableArray<BoundKey> Keys { get; init; }

    /// <summary>64 bytes; part of every sealed request's info.</summary>
    public required ImmutableArray<byte> ReportData { get; init; }

    public DateTimeOffset? IssuedAt { get; init; }

    public IReadOnlyList<ProtectionClaim> Protections { get; init; } = [];

    /// <summary>Whether hardware vouches that this model runs; otherwise the provider merely says so.</summary>
    public string ModelAssurance => Tier == Tier.Open ? "claimed" : "attested";
}
