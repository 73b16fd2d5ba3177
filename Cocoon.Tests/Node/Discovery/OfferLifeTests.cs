using Cocoon.Node.Discovery;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Protocol.Libp2p.Gossipsub;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>How long books name a provider: real gossip, books and exchange over an in-memory network, in virtual time.</summary>
[CancelAfter(60_000)]
public sealed class OfferLifeTests
{
    private const int Nodes = 30;

    [Test]
    public async Task Withdrawal_ReachesEveryBook_WithinTwoSeconds()
    {
        await VirtualLoop.Enter();
        await using Market market = await Market.OpenAsync();
        await market.PublishAsync(sequence: 1, TimeSpan.Zero);
        await market.Time.UntilAsync(() => market.Knowing == Nodes, "every book hears the offer", TimeSpan.FromSeconds(1));
        await market.PublishAsync(sequence: 2, TimeSpan.Zero, offer => (offer.SlotsTotal, offer.SlotsFree) = (0, 0));
        await market.Time.UntilAsync(() => market.Knowing == 0, "no book names the provider", TimeSpan.FromSeconds(2));
    }

    [TestCase(0)]
    [TestCase(9, TestName = "Crash_OfAProviderWithAFastClock_IsForgottenByEveryBook_WithinAMinute")]
    public async Task Crash_IsForgottenByEveryBook_WithinAMinute(int secondsAhead)
    {
        await VirtualLoop.Enter();
        await using Market market = await Market.OpenAsync();
        await market.PublishAsync(sequence: 1, TimeSpan.FromSeconds(secondsAhead));
        await market.Time.UntilAsync(() => market.Knowing == Nodes, "every book hears the offer", TimeSpan.FromSeconds(1));
        await market.Provider.Host.DisposeAsync();

        // Neighbours go on telling each other what they know: that must not keep the dead alive.
        for (int second = 0; second < 60; second += 5)
        {
            await market.Time.PassAsync(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1));
            await market.AskAroundAsync();
        }

        Assert.That(market.Knowing, Is.Zero);
    }

    [Test]
    public async Task Offer_OfAClockFurtherAhead_IsNotTaken()
    {
        await VirtualLoop.Enter();
        await using Market market = await Market.OpenAsync();
        await market.PublishAsync(sequence: 1, OfferLimits.ClockSkew + TimeSpan.FromSeconds(1));
        await market.Time.PassAsync(TimeSpan.FromSeconds(3));
        Assert.That(market.Knowing, Is.Zero);
        Assert.That(OfferLimits.TimeToLive + OfferLimits.ClockSkew, Is.LessThan(TimeSpan.FromMinutes(1)), "no clock keeps a dead provider in a book for a minute");
    }

    /// <summary>One provider and <see cref="Nodes"/> followers of its model, each connected to a few others.</summary>
    private sealed class Market : IAsyncDisposable
    {
        private readonly GossipNetwork _network = new();
        private readonly List<(GossipNode Node, OfferBook Book, OfferGossip Gossip, OfferExchange Exchange)> _followers = [];
        private OfferGossip _publisher = null!;

        public ManualTimeProvider Time => _network.Time;

        public GossipNode Provider { get; private set; } = null!;

        public int Knowing => _followers.Count(f => f.Book.All().Any(o => o.Peer == Provider.Host.LocalPeer));

        public static async Task<Market> OpenAsync()
        {
            Market market = new();
            market.Provider = market._network.Add();
            market._publisher = market.Gossip(market.Provider, new OfferBook(market.Time));
            await market._publisher.JoinModelAsync(TestOffers.ModelId, CancellationToken.None);
            for (int i = 0; i < Nodes; i++)
            {
                GossipNode node = market._network.Add();
                OfferBook book = new(market.Time);
                OfferGossip gossip = market.Gossip(node, book);
                OfferExchange exchange = new(node.Host, book, new OwnOffers(market.Time), market.Time);
                exchange.Start();
                await gossip.JoinModelAsync(TestOffers.ModelId, CancellationToken.None);
                market._followers.Add((node, book, gossip, exchange));
            }

            await market._network.ConnectRandomlyAsync(4);
            await market.Time.PassAsync(TimeSpan.FromSeconds(5));
            return market;
        }

        public async Task PublishAsync(ulong sequence, TimeSpan ahead, Action<Offer>? bend = null)
        {
            using TestOffers offers = new(Time.GetUtcNow() + ahead);
            Offer offer = offers.Create(sequence);
            bend?.Invoke(offer);
            await _publisher.PublishAsync(OfferWriter.Sign(offer, Provider.Host.LocalPeer, Provider.Host.Key), CancellationToken.None);
        }

        /// <summary>Every follower asks one neighbour for the offers it knows.</summary>
        public async Task AskAroundAsync()
        {
            foreach ((GossipNode node, _, OfferGossip gossip, OfferExchange exchange) in _followers)
            {
                if (node.Host.Connections.FirstOrDefault(c => _followers.Any(f => f.Node.Host.LocalPeer == c.Peer)) is { } neighbour)
                {
                    foreach (ReadOnlyMemory<byte> offer in await Time.RunAsync(exchange.FetchAsync(neighbour.Peer, ReadOnlyMemory<byte>.Empty, CancellationToken.None)))
                    {
                        gossip.Add(offer, OfferSource.Peers);
                    }
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _network.DisposeAsync();
        }

        private OfferGossip Gossip(GossipNode node, OfferBook book) =>
            new(node.Router, book, new ModelDirectory(Time), new SignerConduct(Time), new NetworkName("devnet"), Time, NullLogger<OfferGossip>.Instance);
    }
}
