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
    public const string PolicySimulated = "policy.simulated_refused";
    public const string PolicyKind = "policy.kind_refused";
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

    public static IReadOnlyList<string> All { get; } =
    [
        BundleMalformed, BundleUnknown, KindUnsupported, EvidenceMalformed, EvidenceSignature, EvidenceExpired, EvidenceStale,
        EvidenceFuture, BindingMalformed, ReportDataMismatch, PeerMismatch, ModelMismatch, ChallengeMismatch, PolicySimulated,
        PolicyKind, PolicyModel, PolicyTier, WelcomeMalformed, WelcomeVersion, WelcomeLiveness, WelcomeKeySignature,
        WelcomeKeyUnusable, QuoteMalformed, QuoteSignature, QuoteNonce, QuoteOffer, QuoteExpired, QuoteTooLong, QuoteDearer,
        QuoteStep, WelcomeDowngrade, PolicyPostQuantum, OfferTier,
    ];
}
