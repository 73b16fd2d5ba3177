using System.Collections.Immutable;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.Pki;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Simulated;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Inference;

namespace Cocoon.Protocol.Attestation;

/// <summary>What the evidence must be about.</summary>
/// <param name="PeerId">The authenticated peer of the connection; empty when appraised for nobody, as for a file.</param>
/// <param name="Model">The model that is asked for; <c>null</c>: any.</param>
/// <param name="Challenge">For challenged evidence, the 32 bytes asked for; empty otherwise.</param>
internal sealed record AppraisalSubject(ReadOnlyMemory<byte> PeerId, ModelId? Model, ReadOnlyMemory<byte> Challenge = default);

/// <summary>Turns an evidence bundle into a verdict: verifier by kind first, then the subject, then the policy.</summary>
internal sealed class EvidenceAppraiser(params ReadOnlySpan<IEvidenceVerifier> verifiers)
{
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    private readonly ImmutableDictionary<EvidenceKind, IEvidenceVerifier> _verifiers =
        verifiers.ToArray().ToImmutableDictionary(v => v.Kind);

    /// <summary>With every verifier of this build and the vendors' pinned roots.</summary>
    public static EvidenceAppraiser Standard { get; } = new(
        new SimulatedVerifier(),
        new TdxEvidenceVerifier(VendorRoots.IntelSgx, GpuRoots.Nvidia),
        new SnpEvidenceVerifier(SnpRoots.Amd, GpuRoots.Nvidia));

    public AttestationResult Appraise(ReadOnlySpan<byte> bundleBytes, AppraisalSubject subject, AppraisalPolicy policy, DateTimeOffset now)
    {
        ImmutableArray<byte> digest = [.. EvidenceBundle.Digest(bundleBytes)];
        AttestationResult Refused(params ReadOnlySpan<string> reasons) => new(Verdict.Refused, [.. reasons], null, now, policy.Id, digest);

        if (!EvidenceBundle.TryDecode(bundleBytes, out EvidenceBundle? bundle))
        {
            return Refused(ReasonWords.BundleMalformed);
        }

        if (!EnclaveBinding.TryDecode(bundle.Binding.AsSpan(), out EnclaveBinding? binding))
        {
            return Refused(ReasonWords.BindingMalformed);
        }

        if (!_verifiers.TryGetValue(binding.Kind, out IEvidenceVerifier? verifier))
        {
            return Refused(ReasonWords.KindUnsupported);
        }

        EvidenceFacts facts = verifier.Verify(bundle, binding, now);
        List<string> reasons = [.. facts.Reasons];
        EnclavePolicy? rules = ReadRules(reasons, bundle, binding);
        CheckSubject(reasons, binding, subject);
        CheckPolicy(reasons, facts, binding, subject, policy, now);
        CheckRules(reasons, rules, binding, policy);
        EnclaveClaims claims = new()
        {
            Kind = binding.Kind,
            Tier = facts.Reasons.Count == 0 ? facts.Tier : Tier.Open,
            IdentityKey = binding.IdentityKey,
            PeerId = binding.PeerId,
            Models = binding.Models,
            EngineDigest = binding.EngineDigest,
            PolicyDigest = binding.PolicyDigest,
            EnclavePolicy = rules,
            Keys = binding.Keys,
            ReportData = [.. EnclaveBinding.ReportData(bundle.Binding.AsSpan())],
            IssuedAt = facts.IssuedAt,
            Protections = facts.Protections,
        };
        DateTimeOffset end = now + policy.MaxEvidenceAge;
        if (facts.IssuedAt is { } issued && DateTimeOffset.MaxValue - policy.MaxEvidenceAge > issued)
        {
            end = issued + policy.MaxEvidenceAge;
        }

        DateTimeOffset validUntil = facts.ValidUntil < end ? facts.ValidUntil : end;
        return new(reasons.Count == 0 ? Verdict.Accepted : Verdict.Refused, [.. reasons], claims, validUntil, policy.Id, digest);
    }

    /// <summary>The rules that the bundle shows, when they are those that the evidence is about.</summary>
    private static EnclavePolicy? ReadRules(List<string> reasons, EvidenceBundle bundle, EnclaveBinding binding)
    {
        if (!binding.PolicyDigest.AsSpan().SequenceEqual(EnclavePolicy.Digest(bundle.EnclavePolicy.AsSpan())))
        {
            reasons.Add(ReasonWords.EnclavePolicyMismatch);
            return null;
        }

        if (!EnclavePolicy.TryDecode(bundle.EnclavePolicy.AsSpan(), out EnclavePolicy? rules))
        {
            reasons.Add(ReasonWords.EnclavePolicyMalformed);
        }

        return rules;
    }

    /// <summary>A measured image keeps its host from weakening it; that it ran unweakened all the same is not taken on trust.</summary>
    private static void CheckRules(List<string> reasons, EnclavePolicy? rules, EnclaveBinding binding, AppraisalPolicy policy)
    {
        if (rules is null)
        {
            return;
        }

        bool isWhole = rules is { Profile: EnclavePolicy.Embedded, MayRunUnprotected: false } && !rules.MissingProtections.Any();
        if (binding.Kind != EvidenceKind.Simulated && !isWhole)
        {
            reasons.Add(ReasonWords.PolicyProtections);
        }

        if (!policy.EnclavePolicies.IsEmpty && !policy.EnclavePolicies.Contains(Convert.ToHexStringLower(binding.PolicyDigest.AsSpan())))
        {
            reasons.Add(ReasonWords.PolicyEnclavePolicy);
        }
    }

    private static void CheckSubject(List<string> reasons, EnclaveBinding binding, AppraisalSubject subject)
    {
        if (!subject.PeerId.IsEmpty && !binding.PeerId.AsSpan().SequenceEqual(subject.PeerId.Span))
        {
            reasons.Add(ReasonWords.PeerMismatch);
        }

        if (subject.Model is { } model && !binding.Models.Contains(model))
        {
            reasons.Add(ReasonWords.ModelMismatch);
        }

        if (!subject.Challenge.IsEmpty && !binding.Challenge.AsSpan().SequenceEqual(subject.Challenge.Span))
        {
            reasons.Add(ReasonWords.ChallengeMismatch);
        }
    }

    private static void CheckPolicy(
        List<string> reasons, EvidenceFacts facts, EnclaveBinding binding, AppraisalSubject subject, AppraisalPolicy policy, DateTimeOffset now)
    {
        if (facts.Reasons.Count == 0)
        {
            if (facts.ValidUntil < now)
            {
                reasons.Add(ReasonWords.EvidenceExpired);
            }

            if (facts.IssuedAt is { } issued && issued - now > ClockSkew)
            {
                reasons.Add(ReasonWords.EvidenceFuture);
            }
            else if (facts.IssuedAt is { } made && now - made > policy.MaxEvidenceAge)
            {
                reasons.Add(ReasonWords.EvidenceStale);
            }
        }

        if (binding.Kind == EvidenceKind.Simulated)
        {
            if (!policy.AllowSimulated)
            {
                reasons.Add(ReasonWords.PolicySimulated);
            }
        }
        else
        {
            CheckHardware(reasons, facts, binding, policy, now);
        }

        if (facts.Tier < policy.MinimumTier)
        {
            reasons.Add(ReasonWords.PolicyTier);
        }

        bool modelAllowed = subject.Model is { } asked ? policy.Models.Contains(asked) : binding.Models.Any(policy.Models.Contains);
        if (!policy.Models.IsEmpty && !modelAllowed)
        {
            reasons.Add(ReasonWords.PolicyModel);
        }
    }

    private static void CheckHardware(
        List<string> reasons, EvidenceFacts facts, EnclaveBinding binding, AppraisalPolicy policy, DateTimeOffset now)
    {
        switch (facts)
        {
            case { Tdx: { } tdx }:
                policy.CheckTdx(tdx, now, reasons);
                break;
            case { Snp: { } snp }:
                policy.CheckSnp(snp, now, reasons);
                break;
            default:
                if (!policy.Kinds.Contains(binding.Kind))
                {
                    reasons.Add(ReasonWords.PolicyKind);
                }

                break;
        }

        if (!binding.GpuEvidenceDigests.IsEmpty || policy.MinimumTier == Tier.CcGpu)
        {
            policy.Gpu.Check(facts.Gpus, reasons);
        }
    }
}
