using Cocoon.Node.Discovery;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Routing;

/// <summary>What a request needs of a provider.</summary>
/// <param name="PromptTokens">Estimate.</param>
/// <param name="CompletionTokens">Estimate.</param>
/// <param name="Provider">When set, only this peer.</param>
internal sealed record RouteRequest(
    uint PromptTokens, uint CompletionTokens, bool AllowOpenTier, string? Provider, IReadOnlySet<string> ChannelCodeHashes, int GlobalId)
{
    /// <summary>Tiers that may answer; <c>null</c>: any that is allowed.</summary>
    public IReadOnlySet<string>? Tiers { get; init; }

    /// <summary>Offers that already failed this request.</summary>
    public IReadOnlyList<VerifiedOffer> Failed { get; init; } = [];

    /// <summary>Providers that we are connected to: they exist.</summary>
    public IReadOnlySet<PeerId> Connected { get; init; } = new HashSet<PeerId>();

    /// <summary>
    /// The offer whose answer is to go on elsewhere: with the very same model, in no lower tier, and with nobody who may be the same party
    /// (payout, bond, network), since losing an answer must not pay.
    /// </summary>
    public VerifiedOffer? Continues { get; init; }

    /// <summary>The share of the prompt, 0 to 1, that a provider should still hold in its prefix cache.</summary>
    public IReadOnlyDictionary<PeerId, double> Warm { get; init; } = new Dictionary<PeerId, double>();
}

/// <summary>One row of the router's reasoning, as <c>offers --explain</c> prints it.</summary>
/// <param name="Rejection">Reason word, or <c>null</c> for a candidate.</param>
/// <param name="Score">Higher is better; 0 for a rejected offer.</param>
/// <param name="ExpectedFirst">Until the first token; part of <paramref name="ExpectedTime"/>.</param>
internal sealed record RankedOffer(
    VerifiedOffer Offer, ulong ExpectedCostNanoton, TimeSpan ExpectedTime, TimeSpan ExpectedFirst, double Reliability, double Score, string? Rejection);

/// <summary>Ranks offers by price × speed × reliability.</summary>
/// <remarks>
/// score = reliability² / (cost × √time), cost in nanoTON for this request, time until its last token. First-hand figures replace claims;
/// a provider nobody here has used claims at most the median rate of the candidates, so that lying about speed gains nothing.
/// Slots that are taken push time up by the queue's expected length. What the provider should hold of the prompt since an earlier request
/// (<see cref="RouteRequest.Warm"/>, times the share of such that it held before) costs the cached price and no reading. Who failed and never brought a word comes last for a while, and when one
/// has failed this request, those that brought one before or are connected come first: a made-up offer beats any price, but not twice in a row.
/// </remarks>
internal static class OfferRanking
{
    private const double DefaultRate = 20, DefaultPrefillRate = 200;

    public static IReadOnlyList<RankedOffer> Rank(IReadOnlyList<VerifiedOffer> offers, RouteRequest request, OfferBook book)
    {
        double medianRate = Median(offers.Select(o => (double)o.Offer.DecodeTokensPerSecond).Where(r => r > 0));
        double medianPrefill = Median(offers.Select(o => (double)o.Offer.PrefillTokensPerSecond).Where(r => r > 0));
        return
        [
            .. offers.Select(o => Judge(o, request, book.History(o.Peer), medianRate, medianPrefill))
                .OrderByDescending(r => r.Rejection is null)
                .ThenBy(r => book.History(r.Offer.Peer).IsLeftAlone)
                .ThenByDescending(r => request.Failed.Count > 0 && (book.History(r.Offer.Peer).HasDelivered || request.Connected.Contains(r.Offer.Peer)))
                .ThenByDescending(r => r.Score)
                .ThenBy(r => r.Offer.Peer),
        ];
    }

    private static RankedOffer Judge(VerifiedOffer offer, RouteRequest request, ProviderHistory history, double medianRate, double medianPrefill)
    {
        Protocol.Payments.Proto.Prices prices = offer.Offer.Prices;
        double warm = request.Warm.GetValueOrDefault(offer.Peer) * history.CacheYield;
        uint cached = (uint)(request.PromptTokens * warm);
        UInt128 cost = (((UInt128)(request.PromptTokens - cached) * prices.Prompt) + ((UInt128)cached * prices.Cached)
            + ((UInt128)request.CompletionTokens * prices.Completion) + 999_999) / 1_000_000;
        double rate = history.TokensPerSecond ?? Claim(offer.Offer.DecodeTokensPerSecond, medianRate, DefaultRate);
        double prefill = Claim(offer.Offer.PrefillTokensPerSecond, medianPrefill, DefaultPrefillRate);
        double first = history.TimeToFirstToken is { TotalSeconds: var seen }
            ? Math.Max(seen * (1 - warm), seen - (cached / prefill))
            : (request.PromptTokens - cached) / prefill;
        double generate = request.CompletionTokens / rate;
        double queued = offer.Offer.SlotsFree > 0 ? 0 : (1.0 + offer.Offer.Queue) / Math.Max(1, offer.Offer.SlotsTotal) * generate;
        TimeSpan expected = TimeSpan.FromSeconds(Math.Clamp(first + generate + queued, 0.001, 86_400));
        string? rejection = Reject(offer, request);
        double score = rejection is null
            ? history.Reliability * history.Reliability / (Math.Max(1.0, (double)cost) * Math.Sqrt(expected.TotalSeconds))
            : 0;
        TimeSpan expectedFirst = TimeSpan.FromSeconds(Math.Clamp(first + queued, 0, expected.TotalSeconds));
        return new RankedOffer(offer, (ulong)UInt128.Min(cost, ulong.MaxValue), expected, expectedFirst, history.Reliability, score, rejection);
    }

    private static string? Reject(VerifiedOffer offer, RouteRequest request)
    {
        if (request.Provider is { } wanted && wanted != offer.Peer.ToString())
        {
            return "provider";
        }

        if (request.Failed.Any(f => f.Peer == offer.Peer))
        {
            return "failed_before";
        }

        if (request.Continues is { } first && RejectAsSuccessor(offer, first) is { } reason)
        {
            return reason;
        }

        if ((offer.Offer.Tier == "open" && !request.AllowOpenTier) || request.Tiers?.Contains(offer.Offer.Tier) == false)
        {
            return "tier";
        }

        if (offer.Offer.Terms.GlobalId != request.GlobalId)
        {
            return "network";
        }

        if (!offer.Offer.ChannelCodeHashes.Any(h => request.ChannelCodeHashes.Contains(Convert.ToHexStringLower(h.Span))))
        {
            return "channel_code";
        }

        return request.PromptTokens > offer.Offer.ContextTokens ? "context" : null;
    }

    public static int TierRank(string tier) => tier switch
    {
        "cc-gpu" => 2,
        "cc-cpu" => 1,
        _ => 0,
    };

    private static string? RejectAsSuccessor(VerifiedOffer offer, VerifiedOffer first)
    {
        if (offer.ModelIdHex != first.ModelIdHex)
        {
            return "model";
        }

        if (TierRank(offer.Offer.Tier) < TierRank(first.Offer.Tier))
        {
            return "tier";
        }

        bool isSameParty = offer.Offer.Payout == first.Offer.Payout
            || (offer.Offer.Bond.Length > 0 && offer.Offer.Bond == first.Offer.Bond)
            || Networks(offer).Intersect(Networks(first)).Any();
        return isSameParty ? "same_party" : null;
    }

    /// <summary>The /24 and /48 networks of an offer's public addresses; private ones say nothing about who is who.</summary>
    private static IEnumerable<string> Networks(VerifiedOffer offer) => offer.Addresses.Select(IpGroups.Narrow).OfType<string>().Distinct();

    private static double Claim(float claimed, double median, double fallback) => claimed > 0 ? Math.Min(claimed, median) : fallback;

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.MaxValue : sorted[sorted.Length / 2];
    }
}
