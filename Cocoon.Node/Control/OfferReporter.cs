using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Node.Routing;
using Cocoon.Node.Sessions;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Control;

/// <summary>The offer book as a table, and the router's own ranking of it.</summary>
internal sealed class OfferReporter(OfferBook book, WarmPrefixes prefixes, PeerNames names, RouteTerms terms, IOptions<ClientOptions> client, TimeProvider time)
{
    /// <summary>A short question with a short answer, for rankings without a request.</summary>
    private const uint TypicalPrompt = 128, TypicalCompletion = 256;

    public OffersDocument Offers(string? model, bool explain)
    {
        RouteRequest request = new(TypicalPrompt, TypicalCompletion, client.Value.AllowOpenTier, null, terms.ChannelCodeHashes, terms.GlobalId);
        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(model is null ? book.All() : book.ForName(model), request, book);
        return new OffersDocument(ControlJson.Schema, [.. ranked.Select((r, i) => Row(r, i, explain))]);
    }

    private OffersDocument.Row Row(RankedOffer ranked, int index, bool explain)
    {
        Protocol.Offers.Proto.Offer offer = ranked.Offer.Offer;
        ProviderHistory history = book.History(ranked.Offer.Peer);
        PrefixReading? held = prefixes.LastOf(ranked.Offer);
        DateTimeOffset now = time.GetUtcNow();
        string verdict = ranked.Rejection is { } word ? $"rejected: {word}" : index == 0 ? "chosen" : "candidate";
        return new OffersDocument.Row(
            explain ? index + 1 : null,
            ranked.Offer.Peer.ToString(),
            names.Find(ranked.Offer.Peer),
            offer.ModelName,
            ranked.Offer.ModelIdHex,
            offer.Quantisation,
            offer.Tier,
            offer.EvidenceKind,
            ControlJson.Nanoton(offer.Prices.Prompt),
            ControlJson.Nanoton(offer.Prices.Cached),
            ControlJson.Nanoton(offer.Prices.Completion),
            offer.ContextTokens,
            offer.SlotsFree,
            offer.SlotsTotal,
            offer.Queue,
            Math.Round(offer.DecodeTokensPerSecond, 1),
            history.TokensPerSecond,
            history.TimeToFirstToken?.TotalMilliseconds,
            explain ? Math.Round(ranked.ExpectedFirst.TotalMilliseconds, 1) : null,
            explain ? Math.Round(ranked.ExpectedTime.TotalMilliseconds, 1) : null,
            Math.Round(ranked.Reliability, 4),
            history.Answers,
            explain ? ranked.Score : null,
            explain ? ControlJson.Nanoton(ranked.ExpectedCostNanoton) : null,
            explain ? verdict : null,
            Math.Max(0, (now - ranked.Offer.IssuedAt).TotalSeconds),
            (ranked.Offer.ExpiresAt - now).TotalSeconds,
            offer.Payout,
            held is null ? null : "warm",
            held is null ? null : Math.Max(0, (now - held.At).TotalSeconds),
            held?.PromptTokens,
            held?.CachedTokens,
            book.IsBonded(ranked.Offer.Peer) ? offer.Bond : null);
    }
}
