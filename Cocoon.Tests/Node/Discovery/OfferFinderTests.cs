using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Tests.Support;
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

    private sealed class Finding : IProviderLookup, IAsyncDisposable
    {
        private readonly MemoryNetwork _network;
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
            OfferExchange exchange = new(host, Book, new OwnOffers(time), time);
            Finder = new OfferFinder(host, Book, _directory, _gossip, exchange, this, time, NullLogger<OfferFinder>.Instance);
            Now = time.GetUtcNow;
        }

        public OfferBook Book { get; }

        public OfferFinder Finder { get; }

        public int Lookups { get; private set; }

        private Func<DateTimeOffset> Now { get; }

        public void Announce(TestOffers offers) => _directory.Add(ModelDirectory.Sign([offers.Create()], offers.Peer, offers.Key, Now()), offers.Peer);

        public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Assert.That(key, Is.EqualTo(OfferTopics.ProviderKey(TestOffers.ModelId)));
            Lookups++;
            await Task.CompletedTask;
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
