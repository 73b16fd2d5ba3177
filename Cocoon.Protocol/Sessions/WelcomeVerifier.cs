using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Sessions;

/// <summary>What the client expects of a Welcome.</summary>
/// <param name="Peer">The authenticated peer of the stream.</param>
/// <param name="OfferPrices">Prices of the unexpired offer that the Hello named; the quote may not exceed them.</param>
/// <param name="OfferTier">The tier that the offer claims; evidence that gives less is refused.</param>
internal sealed record WelcomeExpectation(PeerId Peer, Prices OfferPrices, string OfferTier, AppraisalPolicy Policy);

/// <summary>A provider's answer, appraised: all that is needed to seal a request and to check what comes back.</summary>
internal sealed record AppraisedEnclave
{
    public required AttestationResult Attestation { get; init; }

    public required byte[] TranscriptHash { get; init; }

    /// <summary>As the next request is called: the session's own id for its first.</summary>
    public required byte[] SessionId { get; init; }

    /// <summary>Of the session; see <see cref="SessionVersions"/>.</summary>
    public required uint Version { get; init; }

    /// <summary>Which request of the session is the next, from 0.</summary>
    public uint Request { get; init; }

    /// <summary>The newest key that can be used now.</summary>
    public required KeyRecord Key { get; init; }

    /// <summary>That of <see cref="Key"/>.</summary>
    public required HpkeSuite Suite { get; init; }

    public required Quote Quote { get; init; }

    public required SignedQuote SignedQuote { get; init; }

    /// <summary>SHA-256 of the quote bytes.</summary>
    public required byte[] QuoteDigest { get; init; }

    public required byte[] EvidenceBundle { get; init; }

    public required ulong KeyEpoch { get; init; }

    /// <summary>SHA-256 over the key records, as offers carry it.</summary>
    public required byte[] KeySetDigest { get; init; }

    public EnclaveClaims Claims => Attestation.Claims!;

    public ReadOnlySpan<byte> IdentityKey => Claims.IdentityKey.AsSpan();

    /// <summary>The same for the request after the next.</summary>
    public AppraisedEnclave Following() => this with
    {
        Request = checked(Request + 1),
        SessionId = SessionTranscript.RequestId(TranscriptHash.AsSpan(0, SessionTranscript.SessionIdSize), Request + 1),
    };

    /// <summary>Seals a request for this session. <paramref name="header"/> gets session id, quote digest and model id from here.</summary>
    /// <exception cref="SessionException">The request is too large.</exception>
    public SealedCall Seal(RoutingHeader header, SealedRequest request, ModelId model)
    {
        header.SessionId = ByteString.CopyFrom(SessionId);
        header.QuoteDigest = ByteString.CopyFrom(QuoteDigest);
        header.ModelId = ByteString.CopyFrom(model.ToArray());
        request.Prices = Quote.Prices.Clone();
        request.Channel = header.Channel;
        return RequestSealer.Seal(Suite, Key, Claims.ReportData.AsSpan(), TranscriptHash, header, request);
    }
}

/// <summary>Either an enclave to seal to, or the reason words why not.</summary>
internal sealed record WelcomeResult(AppraisedEnclave? Enclave, ImmutableArray<string> Reasons, AttestationResult? Attestation)
{
    public bool IsAccepted => Enclave is not null;

    /// <summary>The evidence as it was shown, when nothing but the evidence was refused: an enclave that failed to show itself alive is none.</summary>
    public byte[]? RefusedBundle { get; init; }
}

/// <summary>The client's appraisal of a Welcome: evidence, keys, liveness and quote, offline and in process.</summary>
/// <param name="suites">Those that this client seals to.</param>
/// <param name="verifiedKeys">Shared by the verifiers of one client; <c>null</c>: nothing is remembered.</param>
internal sealed class WelcomeVerifier(
    AppraisalCache appraisals, KnownEvidence knownEvidence, IReadOnlyList<HpkeSuite> suites, TimeProvider time, VerifiedKeys? verifiedKeys = null)
{
    public const int MaxKeys = 4;

    /// <summary>Longest time that a quote may bind the provider's price; the clocks may differ by <see cref="ClockSkew"/> besides.</summary>
    public static readonly TimeSpan MaxQuoteLifetime = TimeSpan.FromSeconds(60);

    /// <summary>Most tokens that one step may cover, per class: four default steps. The client leads by a step, so it is the money at risk.</summary>
    private const uint MaxStepPromptTokens = 8192, MaxStepCompletionTokens = 256;

    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    private readonly VerifiedKeys _keys = verifiedKeys ?? new VerifiedKeys();

    /// <param name="hello">The exact bytes sent.</param>
    public WelcomeResult Verify(ReadOnlySpan<byte> hello, Welcome welcome, WelcomeExpectation expectation)
    {
        Hello sent = Hello.Parser.ParseFrom(hello);
        if (!TryParseBody(welcome, out WelcomeBody body))
        {
            return Refused(null, ReasonWords.WelcomeMalformed);
        }

        if (SessionVersions.Choose([body.Version]) == 0 || !sent.Versions.Contains(body.Version))
        {
            return Refused(null, ReasonWords.WelcomeVersion);
        }

        if (FindBundle(body, sent) is not { } bundle)
        {
            return Refused(null, ReasonWords.BundleUnknown);
        }

        DateTimeOffset now = time.GetUtcNow();
        ModelId? model = sent.ModelId.Length == ModelId.Length ? new ModelId(sent.ModelId.Span) : null;
        byte[] challenge = sent.FreshEvidence || expectation.Policy.RequireFreshEvidence ? SessionTranscript.Challenge(sent.Nonce.Span) : [];
        AttestationResult attestation = appraisals.Appraise(bundle, new AppraisalSubject(expectation.Peer.Memory, model, challenge), expectation.Policy, now);
        if (attestation.Claims is not { } claims)
        {
            return new WelcomeResult(null, attestation.Reasons, attestation) { RefusedBundle = bundle };
        }

        List<string> reasons = [];
        byte[] transcript = SessionTranscript.Hash(hello, welcome.Body.Span);
        if (!SessionTranscript.Verify(claims.IdentityKey.AsSpan(), transcript, welcome.Signature.Span))
        {
            reasons.Add(ReasonWords.WelcomeLiveness);
        }

        (KeyRecord key, HpkeSuite suite)? chosen = ChooseKey(reasons, body, claims, expectation.Policy, now);
        AddIf(reasons, !HasTierOf(claims, expectation.OfferTier), ReasonWords.OfferTier);
        Quote? quote = CheckQuote(reasons, body.Quote, sent, expectation, now);
        reasons.AddRange(attestation.Reasons);
        if (reasons.Count > 0 || chosen is not var (key, suite) || quote is null)
        {
            return new WelcomeResult(null, [.. reasons], attestation) { RefusedBundle = reasons.Count == attestation.Reasons.Length ? bundle : null };
        }

        knownEvidence.Add(attestation.EvidenceDigest.AsSpan(), bundle);
        return new WelcomeResult(
            new AppraisedEnclave
            {
                Attestation = attestation,
                TranscriptHash = transcript,
                SessionId = SessionTranscript.SessionId(transcript),
                Version = body.Version,
                Key = key,
                Suite = suite,
                Quote = quote,
                SignedQuote = body.Quote,
                QuoteDigest = SHA256.HashData(body.Quote.Quote.Span),
                EvidenceBundle = bundle,
                KeyEpoch = key.Epoch,
                KeySetDigest = KeySetDigest(body.Keys),
            },
            [],
            attestation);
    }

    /// <summary>Whether evidence gives at least what an offer claims.</summary>
    public static bool HasTierOf(EnclaveClaims claims, string offerTier) => !AttestationWords.TryParseTier(offerTier, out Tier offered) || offered <= claims.Tier;

    /// <summary>The digest of key records that offers carry: SHA-256 over the records, newest first, each with a u32 length.</summary>
    public static byte[] KeySetDigest(IEnumerable<SignedKeyRecord> keys)
    {
        BindingWriter writer = new();
        foreach (SignedKeyRecord key in keys)
        {
            writer.Opaque32(key.Record.Span);
        }

        return SHA256.HashData(writer.ToArray());
    }

    private byte[]? FindBundle(WelcomeBody body, Hello sent)
    {
        switch (body.EvidenceCase)
        {
            case WelcomeBody.EvidenceOneofCase.Bundle:
                return body.Bundle.ToByteArray();
            case WelcomeBody.EvidenceOneofCase.BundleDigest when sent.KnownEvidence.Contains(body.BundleDigest):
                return knownEvidence.TryGet(body.BundleDigest.Span, out byte[]? bundle) ? bundle : null;
            default:
                return null;
        }
    }

    /// <summary>The newest usable key, the post-quantum one of its epoch. Only suites that the evidence names are negotiated.</summary>
    private (KeyRecord Key, HpkeSuite Suite)? ChooseKey(List<string> reasons, WelcomeBody body, EnclaveClaims claims, AppraisalPolicy policy, DateTimeOffset now)
    {
        if (body.Keys.Count > MaxKeys)
        {
            reasons.Add(ReasonWords.WelcomeMalformed);
            return null;
        }

        (KeyRecord Key, HpkeSuite Suite)? best = null;
        foreach (SignedKeyRecord signed in body.Keys)
        {
            if (!_keys.TryVerify(claims.IdentityKey.AsSpan(), signed, out KeyRecord? record))
            {
                reasons.Add(ReasonWords.WelcomeKeySignature);
                return null;
            }

            bool usable = record.KeyId.Length == RequestEnvelope.KeyIdSize
                && record.NotBeforeMs <= (ulong)(now + ClockSkew).ToUnixTimeMilliseconds()
                && record.NotAfterMs > (ulong)now.ToUnixTimeMilliseconds();
            if (usable
                && IsAttested(claims, record)
                && suites.FirstOrDefault(s => s.Is(record.Kem, record.Kdf, record.Aead)) is { } suite
                && record.PublicKey.Length == suite.Kem.PublicKeySize
                && (best is not var (key, bestSuite) || (record.Epoch, suite.IsPostQuantum).CompareTo((key.Epoch, bestSuite.IsPostQuantum)) > 0))
            {
                best = (record, suite);
            }
        }

        if (best is null)
        {
            reasons.Add(ReasonWords.WelcomeKeyUnusable);
            return null;
        }

        // The evidence says which suites the enclave has: one that both sides can use does not get lost on the way by chance.
        bool isBestHybrid = best.Value.Suite.IsPostQuantum;
        AddIf(reasons, !isBestHybrid && suites.Any(s => s.IsPostQuantum) && claims.Keys.Any(k => k.Kem == XWingKem.KemId), ReasonWords.WelcomeDowngrade);
        AddIf(reasons, !isBestHybrid && policy.RequirePostQuantum, ReasonWords.PolicyPostQuantum);
        return best;
    }

    private static bool IsAttested(EnclaveClaims claims, KeyRecord record) =>
        claims.Keys.Any(k => k.Kem == record.Kem && k.Suites.Any(s => s.Kdf == record.Kdf && s.Aead == record.Aead));

    private static Quote? CheckQuote(List<string> reasons, SignedQuote? signed, Hello sent, WelcomeExpectation expectation, DateTimeOffset now)
    {
        if (signed is null || !expectation.Peer.TryGetPublicKey(out Ed25519PublicKey? peerKey))
        {
            reasons.Add(ReasonWords.QuoteMalformed);
            return null;
        }

        if (!SignedRecords.TryVerifyQuote(peerKey.Bytes, signed, out Quote? quote))
        {
            reasons.Add(ReasonWords.QuoteSignature);
            return null;
        }

        if (quote.Prices is null || quote.StepNanoton == 0 || quote.UnitTokens is 0 or > 65_536)
        {
            reasons.Add(ReasonWords.QuoteMalformed);
            return null;
        }

        int before = reasons.Count;
        AddIf(reasons, quote.HelloNonce != sent.Nonce, ReasonWords.QuoteNonce);
        AddIf(reasons, quote.OfferDigest != sent.OfferDigest, ReasonWords.QuoteOffer);
        AddIf(reasons, quote.NotAfterMs <= (ulong)now.ToUnixTimeMilliseconds(), ReasonWords.QuoteExpired);
        AddIf(reasons, quote.NotAfterMs > (ulong)(now + MaxQuoteLifetime + ClockSkew).ToUnixTimeMilliseconds(), ReasonWords.QuoteTooLong);
        AddIf(reasons, !Metering.NotDearer(quote.Prices, expectation.OfferPrices), ReasonWords.QuoteDearer);
        AddIf(reasons, quote.StepNanoton > MaxStep(quote.Prices), ReasonWords.QuoteStep);
        AddIf(reasons, quote.UnitTokens < ResponseShape.MinUnitTokens, ReasonWords.QuoteUnit);
        return reasons.Count == before ? quote : null;
    }

    private static ulong MaxStep(Prices prices) => Math.Max(
        Metering.Due(prices, new TokenCounts(MaxStepPromptTokens, 0, 0)), Metering.Due(prices, new TokenCounts(0, 0, MaxStepCompletionTokens)));

    private static void AddIf(List<string> reasons, bool condition, string word)
    {
        if (condition)
        {
            reasons.Add(word);
        }
    }

    private static bool TryParseBody(Welcome welcome, out WelcomeBody body)
    {
        try
        {
            body = WelcomeBody.Parser.ParseBounded(welcome.Body.Span);
            return true;
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            body = new WelcomeBody();
            return false;
        }
    }

    private static WelcomeResult Refused(AttestationResult? attestation, params ReadOnlySpan<string> reasons) => new(null, [.. reasons], attestation);
}
