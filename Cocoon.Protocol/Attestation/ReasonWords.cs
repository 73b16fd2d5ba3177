using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;

namespace Cocoon.Protocol.Attestation;

/// <summary>The stable words that say why something was refused: in results, logs, counters, receipts and exit messages.</summary>
internal static class ReasonWords
{
    public const string BundleMalformed = "bundle.malformed";
    public const string BundleUnknown = "bundle.unknown_digest";
    public const string KindUnsupported = "bundle.kind_unsupported";
    public const string EvidenceMalformed = "evidence.malformed";
    public const string EvidenceSignature = "evidence.signature";
    public const string EvidenceExpired = "evidence.expired";
    public const string EvidenceStale = "evidence.stale";
    public const string EvidenceFuture = "evidence.from_the_future";
    public const string BindingMalformed = "binding.malformed";
    public const string ReportDataMismatch = "binding.report_data_mismatch";
    public const string PeerMismatch = "binding.peer_mismatch";
    public const string ModelMismatch = "binding.model_mismatch";
    public const string ChallengeMismatch = "binding.challenge_mismatch";
    public const string EnclavePolicyMismatch = "binding.policy_mismatch";
    public const string EnclavePolicyMalformed = "bundle.policy_malformed";
    public const string PolicyProtections = "policy.protections_missing";
    public const string PolicyEnclavePolicy = "policy.enclave_policy_unknown";
    public const string PolicySimulated = "policy.simulated_refused";
    public const string PolicyKind = "policy.kind_refused";
    public const string PolicyMeasurement = "policy.measurement_unknown";
    public const string CollateralMalformed = "collateral.malformed";
    public const string PolicyModel = "policy.model_refused";
    public const string PolicyTier = "policy.tier_too_low";
    public const string WelcomeMalformed = "welcome.malformed";
    public const string WelcomeVersion = "welcome.version";
    public const string WelcomeLiveness = "welcome.liveness";
    public const string WelcomeKeySignature = "welcome.key_signature";
    public const string WelcomeKeyUnusable = "welcome.no_usable_key";
    public const string WelcomeDowngrade = "welcome.downgrade";
    public const string PolicyPostQuantum = "policy.not_post_quantum";
    public const string OfferTier = "offer.tier_overstated";
    public const string QuoteMalformed = "quote.malformed";
    public const string QuoteSignature = "quote.signature";
    public const string QuoteNonce = "quote.nonce_mismatch";
    public const string QuoteOffer = "quote.offer_mismatch";
    public const string QuoteExpired = "quote.expired";
    public const string QuoteTooLong = "quote.valid_too_long";
    public const string QuoteDearer = "quote.dearer_than_offer";
    public const string QuoteStep = "quote.step_too_large";
    public const string QuoteUnit = "quote.unit_too_small";

    /// <summary>Every word with its meaning, what the evidence shows before what a policy does not accept.</summary>
    public static IReadOnlyList<ReasonWord> Described { get; } =
    [
        new(BundleMalformed, "the evidence bundle is not in its canonical form or beyond a limit"),
        new(BundleUnknown, "the provider named a bundle by digest that this client does not have"),
        new(KindUnsupported, "no verifier for this kind of evidence"),
        new(CollateralMalformed, "certificates, lists or manifests in the bundle are damaged or too many"),
        new(EvidenceMalformed, "the evidence is not in the form of its kind"),
        new(EvidenceSignature, "the evidence is not signed by the key that it names"),
        new(EvidenceExpired, "a certificate, list or manifest that the evidence rests on has ended"),
        new(EvidenceStale, "the evidence is older than the policy allows"),
        new(EvidenceFuture, "the evidence says it was made in the future"),
        new(BindingMalformed, "the enclave's binding is not in its canonical form"),
        new(ReportDataMismatch, "the evidence is about another binding: other keys, peer, model or GPUs"),
        new(EnclavePolicyMismatch, "the rules that the bundle shows are not those that the evidence is about"),
        new(EnclavePolicyMalformed, "the enclave's rules are not in their canonical form"),
        new(PeerMismatch, "the evidence is of another peer than the one that showed it"),
        new(ModelMismatch, "the enclave does not serve the model that was asked for"),
        new(ChallengeMismatch, "the evidence does not answer this client's challenge"),
        .. TdxReasons.All,
        .. SnpReasons.All,
        .. GpuReasons.All,
        new(PolicySimulated, "nothing protects this enclave from the machine's owner, and the policy does not accept that"),
        new(PolicyKind, "the policy does not list this kind of hardware"),
        new(PolicyMeasurement, "the policy lists no image with these measurements"),
        new(PolicyProtections, "the enclave runs without one of its protections or hands prompts to another server, and calls that hardware"),
        new(PolicyEnclavePolicy, "the policy does not list the rules that this enclave keeps"),
        new(PolicyModel, "the policy does not list this model"),
        new(PolicyTier, "the evidence gives a lower tier than the policy asks for"),
        new(PolicyPostQuantum, "the enclave has no hybrid post-quantum key and the policy asks for one"),
        new(OfferTier, "the offer claims a higher tier than the evidence gives"),
        new(WelcomeMalformed, "the provider's first answer is not in its form"),
        new(WelcomeVersion, "the provider chose a protocol version that was not offered"),
        new(WelcomeLiveness, "the enclave did not sign this session: its identity key is not in use now"),
        new(WelcomeKeySignature, "a receiving key is not signed by the attested identity key"),
        new(WelcomeKeyUnusable, "no receiving key is current and of a suite that the evidence names and this client has"),
        new(WelcomeDowngrade, "a weaker receiving key was shown than the evidence names"),
        new(QuoteMalformed, "the price quote is not in its form"),
        new(QuoteSignature, "the price quote is not signed by the provider's peer key"),
        new(QuoteNonce, "the price quote answers another session"),
        new(QuoteOffer, "the price quote names another offer"),
        new(QuoteExpired, "the price quote has run out"),
        new(QuoteTooLong, "the price quote is valid for longer than allowed"),
        new(QuoteDearer, "the price quote is dearer than the offer"),
        new(QuoteStep, "the price quote asks for too large a step"),
        new(QuoteUnit, "the price quote would let the host count tokens while they are made"),
    ];

    public static IReadOnlyList<string> All { get; } = [.. Described.Select(r => r.Word)];
}
