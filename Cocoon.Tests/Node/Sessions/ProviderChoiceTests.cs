using Cocoon.Node.Discovery;
using Cocoon.Node.Routing;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Options;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

internal sealed class ProviderChoiceTests
{
    /// <summary>One failed before its first word, another one in the middle of its answer: what goes on is the other one's, and not with its like.</summary>
    [Test]
    public async Task ChooseAsync_AnswerThatGoesOn_GoesToNobodyOfThePartyThatLostIt()
    {
        ManualTimeProvider time = new();
        using TestOffers silent = new(time.GetUtcNow()), loser = new(time.GetUtcNow()), sibling = new(time.GetUtcNow()), other = new(time.GetUtcNow());
        VerifiedOffer never = Offer(silent, payout: 'a', price: 1), lost = Offer(loser, payout: 'b', price: 2), like = Offer(sibling, payout: 'b', price: 3), elsewhere = Offer(other, payout: 'c', price: 4);
        OfferBook book = new(time);
        await using MemoryNetwork network = new(time);
        ProviderChoice choice = new(
            network.AddHost(), book, new Finder([never, lost, like, elsewhere]), new WarmPrefixes(time), new RouteTerms(new HashSet<string> { new('0', 64) }, -777),
            Options.Create(new ClientOptions()), time);
        Ask ask = new(SealedRequest.Types.Endpoint.ChatCompletions, "test-model", "{}"u8.ToArray(), 100, 1, Shape.Fast, AllowOpenTier: true, null, new byte[32]);
        Task<VerifiedOffer> ChooseAsync(VerifiedOffer? continues) =>
            choice.ChooseAsync(ask, PromptPrefix.Of(ask.Endpoint, ask.Body.Span), [never, lost], continues, last: null, CancellationToken.None);
        Assert.That((await ChooseAsync(continues: null)).Peer, Is.EqualTo(like.Peer), "nothing was lost yet: the cheapest");
        Assert.That((await ChooseAsync(continues: lost)).Peer, Is.EqualTo(elsewhere.Peer));
    }

    private static VerifiedOffer Offer(TestOffers provider, char payout, ulong price)
    {
        Cocoon.Protocol.Offers.Proto.Offer offer = provider.Create();
        offer.Payout = "0:" + new string(payout, 64);
        offer.Prices = new Prices { Prompt = price * 1_000_000, Cached = price * 1_000_000, Completion = price * 1_000_000 };
        return provider.Sign(offer);
    }

    private sealed class Finder(IReadOnlyList<VerifiedOffer> offers) : IOfferFinder
    {
        public Task<IReadOnlyList<VerifiedOffer>> FindAsync(string model, TimeSpan wait, CancellationToken cancellationToken) => Task.FromResult(offers);
    }
}
