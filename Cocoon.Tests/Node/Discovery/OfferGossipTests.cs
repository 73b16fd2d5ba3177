using Cocoon.Node.Discovery;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Protocol.Libp2p.Gossipsub;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>What a node does with offers that arrive by gossip: forged, replayed, future and too many ones go no further.</summary>
public sealed class OfferGossipTests
{
    private const string Network = "test";

    private ManualTimeProvider _time = null!;

    /// <summary>A provider, and a client behind a middle node that has to forward.</summary>
    private sealed class Line : IAsyncDisposable
    {
        private readonly MemoryNetwork _network;

        public Line(ManualTimeProvider time)
        {
            _network = new MemoryNetwork(time);
            Time = time;
            Nodes = [.. Enumerable.Range(0, 3).Select(_ => new Node(_network.AddHost(), time))];
        }

        public ManualTimeProvider Time { get; }

        public Node[] Nodes { get; }

        public Node Provider => Nodes[0];

        public Node Middle => Nodes[1];

        public Node Client => Nodes[2];

        public async Task StartAsync()
        {
            foreach (Node node in Nodes)
            {
                await node.Gossip.JoinModelAsync(TestOffers.ModelId, CancellationToken.None);
            }

            for (int i = 0; i < 2; i++)
            {
                Nodes[i].Host.AddAddresses(Nodes[i + 1].Host.LocalPeer, Nodes[i + 1].Host.Addresses, TimeSpan.FromHours(1));
                await Nodes[i].Host.ConnectAsync(Nodes[i + 1].Host.LocalPeer, CancellationToken.None);
            }

            await Time.PassAsync(TimeSpan.FromSeconds(5));
        }

        /// <summary>Publishes bytes on the model's topic as this provider, whatever they are.</summary>
        public async Task PublishAsync(ReadOnlyMemory<byte> data)
        {
            await Provider.Router.PublishAsync(OfferTopics.ForModel(Network, TestOffers.ModelId), data);
            await Time.PassAsync(TimeSpan.FromMilliseconds(300));
        }

        public async ValueTask DisposeAsync()
        {
            foreach (Node node in Nodes)
            {
                await node.Gossip.DisposeAsync();
                await node.Router.DisposeAsync();
            }

            await _network.DisposeAsync();
        }
    }

    private sealed class Node
    {
        public Node(MemoryHost host, ManualTimeProvider time)
        {
            Host = host;
            Conduct = new SignerConduct(time);
            Book = new OfferBook(time);
            Router = new GossipsubRouter(host, host.Key, new GossipsubOptions { ValidationWorkers = 1, Score = { ApplicationScore = Conduct.ScoreOf } }, time);
            Router.Start();
            Gossip = new OfferGossip(Router, Book, new ModelDirectory(time), Conduct, new NetworkName(Network), time, NullLogger<OfferGossip>.Instance);
        }

        public MemoryHost Host { get; }

        public SignerConduct Conduct { get; }

        public OfferBook Book { get; }

        public GossipsubRouter Router { get; }

        public OfferGossip Gossip { get; }

        public int Offers => Book.ForModel(Convert.ToHexStringLower(TestOffers.ModelId)).Count;
    }

    private static (GossipNode Node, OfferGossip Gossip, SignerConduct Conduct) Join(GossipNetwork network)
    {
        SignerConduct conduct = new(network.Time);
        GossipNode node = network.Add(options => options.Score.ApplicationScore = conduct.ScoreOf);
        OfferGossip gossip = new(
            node.Router, new OfferBook(network.Time), new ModelDirectory(network.Time), conduct, new NetworkName(Network), network.Time, NullLogger<OfferGossip>.Instance);
        return (node, gossip, conduct);
    }

    [SetUp]
    public void CreateClock() => _time = new ManualTimeProvider();

    private VerifiedOffer Sign(Node by, ulong sequence, Action<Offer>? change = null)
    {
        using TestOffers offers = new(_time.GetUtcNow());
        Offer offer = offers.Create(sequence);
        change?.Invoke(offer);
        return OfferWriter.Sign(offer, by.Host.LocalPeer, by.Host.Key);
    }

    /// <summary>A topic names 8 bytes of 32: behind them are more models than any book has places for.</summary>
    [Test]
    public async Task Offer_OfAnotherModelBehindTheSameTopic_GoesNoFurther()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        byte[] id = [.. TestOffers.ModelId];
        id[31]++;
        await line.PublishAsync(Sign(line.Provider, 1, offer => offer.ModelId = ByteString.CopyFrom(id)).Signed);
        Assert.That((line.Middle.Book.All().Count, line.Client.Book.All().Count), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task Offer_OfItsPublisher_ReachesWhoIsNotConnectedToIt()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        await line.PublishAsync(Sign(line.Provider, 1).Signed);
        Assert.That((line.Middle.Offers, line.Client.Offers), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task Offer_OfSomebodyElse_IsRejectedAndCostsItsSender()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        await line.PublishAsync(Sign(line.Client, 1).Signed);
        Assert.That((line.Middle.Offers, line.Client.Offers), Is.EqualTo((0, 0)), "a replay under another name");
        Assert.That(line.Middle.Router.ScoreOf(line.Provider.Host.LocalPeer), Is.LessThan(0));
    }

    [Test]
    public async Task Offer_ForAnotherModelThanTheTopics_IsRejected()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        await line.PublishAsync(Sign(line.Provider, 1, offer => offer.ModelId = ByteString.CopyFrom(new byte[32])).Signed);
        Assert.That(line.Middle.Book.All(), Is.Empty);
        Assert.That(line.Middle.Router.ScoreOf(line.Provider.Host.LocalPeer), Is.LessThan(0));
    }

    [Test]
    public async Task Offer_ReplayedOrFutureOrExpired_IsNotForwardedAndNotBlamed()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        ReadOnlyMemory<byte> old = Sign(line.Provider, 1).Signed, current = Sign(line.Provider, 2).Signed;
        await line.PublishAsync(current);
        long forwarded = line.Middle.Router.Snapshot().Counts.Forwarded;
        await line.PublishAsync(old);
        await line.PublishAsync(Sign(line.Provider, 3, offer =>
        {
            offer.IssuedAtMs += 60_000;
            offer.ExpiresAtMs += 60_000;
        }).Signed);
        ReadOnlyMemory<byte> expiring = Sign(line.Provider, 4).Signed;
        await _time.PassAsync(TimeSpan.FromSeconds(46), TimeSpan.FromSeconds(1));
        await line.PublishAsync(expiring);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(line.Middle.Router.Snapshot().Counts.Forwarded, Is.EqualTo(forwarded));
            Assert.That(line.Middle.Router.Snapshot().Counts.Ignored, Is.EqualTo(3));
            Assert.That(line.Middle.Router.ScoreOf(line.Provider.Host.LocalPeer), Is.GreaterThanOrEqualTo(0));
            Assert.That(line.Client.Offers, Is.Zero);
        }
    }

    /// <summary>Who kept an honest provider's offers for half an hour could have it disconnected everywhere, were they counted against it.</summary>
    [Test]
    public async Task Offers_ReplayedLongAfterTheirEnd_CostWhoBringsThem_NotTheirSigner()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        (GossipNode node, OfferGossip gossip, SignerConduct conduct) = Join(network);
        MemoryHost provider = network.Network.AddHost();
        await gossip.JoinModelAsync(TestOffers.ModelId, CancellationToken.None);
        await gossip.JoinDirectoryAsync(CancellationToken.None);
        RawGossipPeer replayer = await network.ConnectRawAsync(node), forwarder = await network.ConnectRawAsync(node);
        using TestOffers offers = new(network.Time.GetUtcNow());
        List<GossipMessage> kept = [];
        for (ulong i = 1; i <= 400; i++)
        {
            kept.Add(Message(i, OfferWriter.Sign(offers.Create(i), provider.LocalPeer, provider.Key).Signed));
        }

        // A little late is honest: one that ran out on its way.
        await network.Time.PassAsync(OfferLimits.TimeToLive + TimeSpan.FromSeconds(12), TimeSpan.FromSeconds(1));
        foreach (GossipMessage message in kept[..50])
        {
            await forwarder.SendMessageAsync(message);
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1));
        foreach (GossipMessage message in kept[50..])
        {
            await replayer.SendMessageAsync(message);
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(100));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(conduct.ScoreOf(provider.LocalPeer), Is.Zero);
            Assert.That(conduct.ScoreOf(forwarder.Peer), Is.Zero);
            Assert.That(replayer.Host.Connections, Is.Empty, "the offender is dropped");
            Assert.That(forwarder.Host.Connections, Has.Count.EqualTo(1));
        }

        GossipMessage Message(ulong sequence, ReadOnlyMemory<byte> data) =>
            MessageSigning.Create(provider.Key, OfferTopics.ForModel(Network, TestOffers.ModelId), data.Span, sequence);
    }

    /// <summary>A provider's list lives for minutes, and gossip forgets a message after two: sent again it goes no further, and costs the provider nothing.</summary>
    [Test]
    public async Task Directory_SentAgainByAStranger_GoesNoFurther()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        (GossipNode node, OfferGossip gossip, SignerConduct conduct) = Join(network);
        MemoryHost provider = network.Network.AddHost();
        await gossip.JoinDirectoryAsync(CancellationToken.None);
        List<ValidationResult> judged = [];
        gossip.Judged += (_, result) => judged.Add(result);
        RawGossipPeer replayer = await network.ConnectRawAsync(node);
        using TestOffers offers = new(network.Time.GetUtcNow());
        byte[] directory = ModelDirectory.Sign([offers.Create()], provider.LocalPeer, provider.Key, network.Time.GetUtcNow());
        GossipMessage message = MessageSigning.Create(provider.Key, OfferTopics.Directory(Network), directory, 1);
        for (int i = 0; i < 2; i++)
        {
            await replayer.SendMessageAsync(message);
            await network.Time.PassAsync(TimeSpan.FromSeconds(125), TimeSpan.FromSeconds(1));
        }

        Assert.That(judged, Is.EqualTo(new[] { ValidationResult.Accept, ValidationResult.Ignore }));
        Assert.That(conduct.ScoreOf(provider.LocalPeer), Is.Zero);
    }

    [Test]
    public async Task Offers_TooManyOfOneSigner_StopAtTheFirstHopAndEndInDisconnection()
    {
        await VirtualLoop.Enter();
        await using Line line = new(_time);
        await line.StartAsync();
        for (ulong i = 1; i <= 400 && line.Provider.Host.Connections.Count > 0; i++)
        {
            await line.Provider.Router.PublishAsync(OfferTopics.ForModel(Network, TestOffers.ModelId), Sign(line.Provider, i).Signed);
            await _time.PassAsync(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(50));
        }

        Assert.That(line.Middle.Router.Snapshot().Counts.Forwarded, Is.LessThan(80), "20 at once and 1.5 a second");
        Assert.That(line.Provider.Host.Connections, Is.Empty, "the spammer was dropped");
        Assert.That(line.Middle.Host.Connections, Has.Count.EqualTo(1), "the honest neighbour was not");
    }
}
