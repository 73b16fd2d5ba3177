using Cocoon.Node.Routing;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>A model that can be asked for now, over all its providers.</summary>
/// <param name="Tier">The best on offer.</param>
internal sealed record AvailableModel(string Name, string ModelId, string Tier, int Providers, uint ContextTokens, DateTimeOffset Since)
{
    public string Quantisation { get; init; } = "";

    /// <summary>Providers by tier.</summary>
    public IReadOnlyDictionary<string, int> Tiers { get; init; } = new Dictionary<string, int>();

    /// <summary>What at least one provider can do with it.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>The lowest price of each kind, nanoTON per million tokens.</summary>
    public Prices? Lowest { get; init; }

    /// <summary>The models of these offers, those of most providers first.</summary>
    /// <param name="heard">Since when offers are listened to here: nothing is known to be on offer for longer.</param>
    public static IReadOnlyList<AvailableModel> From(IEnumerable<VerifiedOffer> offers, DateTimeOffset heard) =>
    [
        .. offers
            .GroupBy(o => (o.Offer.ModelName, o.ModelIdHex))
            .Select(g => new AvailableModel(
                g.Key.ModelName,
                g.Key.ModelIdHex,
                g.Select(o => o.Offer.Tier).MaxBy(OfferRanking.TierRank)!,
                g.Count(),
                g.Max(o => o.Offer.ContextTokens),
                g.Min(o => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min(o.Offer.UptimeSinceMs, (ulong)heard.ToUnixTimeMilliseconds()))))
            {
                Quantisation = g.First().Offer.Quantisation,
                Tiers = g.CountBy(o => o.Offer.Tier).ToDictionary(),
                Capabilities = [.. g.SelectMany(o => o.Offer.Capabilities).Distinct().Order(StringComparer.Ordinal)],
                Lowest = new Prices
                {
                    Prompt = g.Min(o => o.Offer.Prices.Prompt),
                    Cached = g.Min(o => o.Offer.Prices.Cached),
                    Completion = g.Min(o => o.Offer.Prices.Completion),
                },
            })
            .OrderByDescending(m => m.Providers)
            .ThenBy(m => m.Name, StringComparer.Ordinal),
    ];
}
