using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Tests.Support;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>When the DHT is asked for a model's providers.</summary>
[CancelAfter(60_000)]
public sealed class OfferFinderTests
{
    private readonly ManualTimeProvider _time = new();

    [Test]
    public async Task LookAround_LeavesAModelThatNobodyAskedFor_ToGossipFirst()
    {
        await VirtualLoop.Enter();
        await using Finding finding = new(_time);
        using TestOffers offers = new(_time.GetUtcNow());
        finding.Announce(offers);
        await finding.Finder.LookAroundAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(19));
        await finding.Finder.LookAroundAsync(CancellationToken.None);
        Assert.That(finding.Lookups, Is.Zero, "every offer is repeated within 15 s");

        _time.Advance(TimeSpan.FromSeconds(2));
        await finding.Finder.LookAroundAsync(CancellationToken.None);
        Assert.That(finding.Lookups, Is.EqualTo(1), "gossip brought none");

        _time.Advance(TimeSpan.FromSeconds(11));
        using TestOffers fresh = new(_time.GetUtcNow());
        finding.Book.Add(fresh.Sign(fresh.Create()));
        await finding.Finder.LookAroundAsync(CancellationToken.None);
        Assert.That(finding.Lookups, Is.EqualTo(1), "there are offers, and nobody asks for a second source");
    }

    [Test]
    public async Task Search_ForAModelThatIsAskedFor_LooksAtOnce()
    {
        await VirtualLoop.Enter();
        await using Finding finding = new(_time);
        using TestOffers offers = new(_time.GetUtcNow());
        finding.Announce(offers);
        await finding.Finder.SearchAsync("test-model", CancellationToken.None);
        Assert.That(finding.Lookups, Is.EqualTo(1));
    }

    /// <summary>What a stranger says must not be what ends the search for offers, or the node with it.</summary>
    [Test]
    public async Task Follower_WhoseLookupFails_LooksAgain()
    {
        await VirtualLoop.Enter();
        await using Finding finding = new(_time) { LookupFailure = new FormatException("Not an address.") };
        using TestOffers offers = new(_time.GetUtcNow());
        finding.Announce(offers);
        await finding.ConnectAsync([]);
        using CancellationTokenSource stop = new();
        Task following = finding.FollowAsync(stop.Token);
        await _time.UntilAsync(() => finding.Lookups > 2, "more lookups than the first", TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1));
        await stop.CancelAsync();
        await following;
    }

    /// <summary>The book has places for so many models: who is asked for one cannot fill them with others.</summary>
    [Test]
    public async Task Search_AnsweredWithOffersOfOtherModels_TakesNoneOfThem()
    {
        await VirtualLoop.Enter();
        await using Finding finding = new(_time);
        using TestOffers offers = new(_time.GetUtcNow());
        finding.Announce(offers);
        await finding.ConnectAsync([offers.Sign(offers.Create(sequence: 7)), .. Enumerable.Range(0, 60).Select(i => offers.Sign(Other(offers, (byte)i)))]);
        await finding.Finder.SearchAsync("test-model", CancellationToken.None);
        Assert.That(finding.Book.All().Select(offer => offer.Offer.Sequence), Is.EqualTo(new ulong[] { 7 }));

        static Offer Other(TestOffers offers, byte number)
        {
            Offer offer = offers.Create();
            byte[] id = [.. TestOffers.ModelId];
            id[31] = (byte)(100 + number);
            offer.ModelId = ByteString.CopyFrom(id);
            return offer;
        }
    }

    private sealed class Finding : IProviderLookup, IAsyncDisposable
    {
        private readonly MemoryNetwork _network;
        private readonly MemoryHost _host;
        private readonly OfferExchange _exchange;
        private readonly ManualTimeProvider _time;
        private readonly GossipsubRouter _router;
        private readonly ModelDirectory _directory;
        private readonly OfferGossip _gossip;

        public Finding(ManualTimeProvider time)
        {
            _network = new MemoryNetwork(time);
            MemoryHost host = _network.AddHost();
            _router = new GossipsubRouter(host, host.Key, new GossipsubOptions { ValidationWorkers = 1 }, time);
            _router.Start();
            Book = new OfferBook(time);
            _directory = new ModelDirectory(time);
            _gossip = new OfferGossip(_router, Book, _directory, new SignerConduct(time), new NetworkName("test"), time, NullLogger<OfferGossip>.Instance);
            _exchange = new OfferExchange(host, Book, new OwnOffers(time), time);
            _host = host;
            _time = time;
            Finder = new OfferFinder(host, Book, _directory, _gossip, _exchange, this, time, NullLogger<OfferFinder>.Instance);
            Now = time.GetUtcNow;
        }

        public OfferBook Book { get; }

        public OfferFinder Finder { get; }

        public int Lookups { get; private set; }

        /// <summary>What each lookup ends with.</summary>
        public Exception? LookupFailure { get; init; }

        public Task FollowAsync(CancellationToken cancellationToken)
        {
            ModelNeighbours neighbours = new(_host, _gossip, Book, this, _time);
            OfferFollower follower = new(
                new NodeOptions { Role = NodeRole.Client, DataDirectory = "" }, _host, _directory, _gossip, _exchange, Finder, neighbours, _time, NullLogger<OfferFollower>.Instance);
            return follower.RunAsync(cancellationToken);
        }

        private Func<DateTimeOffset> Now { get; }

        /// <summary>A neighbour that has these offers for whoever asks.</summary>
        public async Task ConnectAsync(IEnumerable<VerifiedOffer> offers)
        {
            MemoryHost neighbour = _network.AddHost();
            OffersResponse response = new();
            response.Offers.AddRange(offers.Select(offer => ByteString.CopyFrom(offer.Signed.Span)));
            neighbour.Handle(OfferTopics.FetchProtocol, async (stream, token) =>
            {
                await LengthPrefixed.WriteAsync(stream, response, token);
                await stream.CloseWriteAsync(token);
            });
            _network.IntroduceAll();
            await _host.ConnectAsync(neighbour.LocalPeer, CancellationToken.None);
        }

        public void Announce(TestOffers offers) => _directory.Add(ModelDirectory.Sign([offers.Create()], offers.Peer, offers.Key, Now()), offers.Peer);

        public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Assert.That(key, Is.EqualTo(OfferTopics.ProviderKey(TestOffers.ModelId)));
            Lookups++;
            await Task.CompletedTask;
            if (LookupFailure is { } failure)
            {
                throw failure;
            }

            yield break;
        }

        public Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken) => throw new NotSupportedException("A finder provides nothing.");

        public async ValueTask DisposeAsync()
        {
            await _gossip.DisposeAsync();
            await _router.DisposeAsync();
            await _network.DisposeAsync();
        }
    }
}
