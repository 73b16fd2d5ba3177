using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Whom a request goes to: the best of what is on offer, or why there is nobody.</summary>
internal sealed class ProviderChoice(
    ILibp2pHost host, OfferBook book, IOfferFinder finder, WarmPrefixes prefixes, RouteTerms terms, IOptions<ClientOptions> options, TimeProvider time)
{
    private readonly DateTimeOffset _started = time.GetUtcNow();

    /// <param name="failed">Offers that this request was tried with, in that order.</param>
    /// <param name="continues">Whose answer is to go on; <c>null</c> while nothing of one was delivered.</param>
    /// <param name="last">Why the last one failed: thrown when there is no other.</param>
    /// <exception cref="InferenceException">Nobody offers the model, or nobody whom the request may go to.</exception>
    public async Task<VerifiedOffer> ChooseAsync(
        Ask ask, PromptPrefix prompt, IReadOnlyList<VerifiedOffer> failed, VerifiedOffer? continues, InferenceException? last, CancellationToken cancellationToken)
    {
        TimeSpan wait = options.Value.OfferWait(book.All().Count > 0, time.GetUtcNow() - _started, replacesOne: last is not null);
        IReadOnlyList<VerifiedOffer> offers = await finder.FindAsync(ask.Model, wait, cancellationToken);
        if (offers.Count == 0)
        {
            throw last ?? NoOffer(ask.Model, wait);
        }

        uint promptTokens = (uint)Math.Min(int.MaxValue, ask.Body.Length / 4);
        RouteRequest route = new(promptTokens, ask.MaxTokens ?? 256, ask.AllowOpenTier, ask.Provider, terms.ChannelCodeHashes, terms.GlobalId)
        {
            Tiers = ask.Tiers,
            Failed = failed,
            Connected = host.Connections.Select(connection => connection.Peer).ToHashSet(),
            Continues = continues,
            Warm = prefixes.Find(ask.TenantSecret, prompt, offers),
        };
        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(offers, route, book);
        return ranked[0].Rejection is null ? ranked[0].Offer : throw last ?? AllRejected(ask, ranked);
    }

    private InferenceException NoOffer(string model, TimeSpan waited)
    {
        bool anyModel = book.All().Count > 0;
        return new InferenceException(
            anyModel ? InferenceFailure.ModelNotFound : InferenceFailure.NoOffer,
            $"no provider offers '{model}'",
            waited > TimeSpan.Zero
                ? $"nothing was heard within {waited.TotalSeconds:0} s from {host.Connections.Count} connected peers"
                : $"none of the {host.Connections.Count} connected peers has told of one",
            anyModel ? "See 'cocoon offers' or GET /v1/models for what is on offer." : "Check 'cocoon peers'; a bootstrap address may be wrong or down.");
    }

    private static InferenceException AllRejected(Ask ask, IReadOnlyList<RankedOffer> ranked)
    {
        string words = string.Join(", ", ranked.GroupBy(r => r.Rejection!).Select(g => $"{g.Key} ({g.Count()})"));
        if (ranked.All(r => r.Rejection == "context"))
        {
            return new InferenceException(
                InferenceFailure.InvalidRequest, "the prompt is too long", $"about {ask.Body.Length / 4} tokens, and the longest context on offer has {ranked.Max(r => r.Offer.Offer.ContextTokens)}",
                "Make it shorter, or use a model with a longer context (GET /v1/models).")
            {
                Code = "context_length_exceeded",
            };
        }

        if (ranked.All(r => r.Rejection == "provider"))
        {
            return new InferenceException(
                InferenceFailure.NoOffer, $"provider {ask.Provider} does not offer '{ask.Model}'", $"{ranked.Count} other offers of it are known", "See 'cocoon offers', or leave cocoon.provider out.");
        }

        bool tier = ranked.Any(r => r.Rejection == "tier");
        return new InferenceException(
            tier ? InferenceFailure.TierRefused : InferenceFailure.NoOffer,
            $"every offer of '{ask.Model}' was rejected",
            words,
            tier && ask.Tiers is { } tiers && !tiers.Contains("open")
                ? $"This API key allows {string.Join(", ", tiers)} only: use another key ('cocoon keys new --tiers …'), or wait for an offer of such a tier."
                : tier
                ? "Only tier 'open' is on offer, where nothing protects your prompt from the machine's owner. Allow it with --allow-open, or per request with \"cocoon\": {\"allow_open\": true}."
                : "See 'cocoon offers --explain'.");
    }
}
