using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Cocoon.Tests.Protocol.Libp2p.Gossipsub;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>Who follows a model whose providers it is not connected to finds them, without a request that asks for them.</summary>
[CancelAfter(60_000)]
public sealed class ModelNeighboursTests
{
    [Test]
    public async Task Follower_ConnectedToNobodyOfItsModel_GossipsWithThreeProviders_AndReplacesOneThatLeaves()
    {
        await VirtualLoop.Enter();
        await using Following following = await Following.StartAsync(providers: 5);
        await following.Time.UntilAsync(() => following.Neighbours == 3, "three providers", TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1));
        Assert.That(following.Lookups, Is.EqualTo(1));
        GossipNode leaves = following.Providers.First(following.IsNeighbour);
        await leaves.Router.DisposeAsync();
        await leaves.Host.DisposeAsync();
        await following.Time.UntilAsync(() => following.Neighbours == 2, "one is gone", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1));
        await following.Time.UntilAsync(() => following.Neighbours == 3, "another one has its place", TimeSpan.FromSeconds(90), TimeSpan.FromSeconds(1));
    }

    [Test]
    public async Task Follower_OfAModelThatNobodyProvides_LooksEverMoreRarely()
    {
        await VirtualLoop.Enter();
        await using Following following = await Following.StartAsync(providers: 0);
        await following.Time.PassAsync(TimeSpan.FromMinutes(10), TimeSpan.FromSeconds(1));
        Assert.That(following.Lookups, Is.InRange(4, 5), "after 20 s, then after 40, 80, 160, 320");
    }

    [Test]
    public async Task Follower_WithAMeshOfOthers_LooksForNobody()
    {
        await VirtualLoop.Enter();
        await using Following following = await Following.StartAsync(providers: 5);
        for (int i = 0; i < 6; i++)
        {
            GossipNode user = following.Network.Add();
            await user.SubscribeAsync(Following.Topic);
            await following.Network.ConnectAsync(following.Node.Host, user.Host);
        }

        await following.Time.PassAsync(TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1));
        Assert.That(following.Lookups, Is.Zero);
    }

    [Test]
    public async Task Provider_SparesTheConnectionsOfItsFollowers_AndNoMoreThanItMay()
    {
        await VirtualLoop.Enter();
        await using Following following = await Following.StartAsync(providers: 0);
        await following.FollowersAsync(70);
        await following.Time.PassAsync(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1));
        Assert.That(following.Spared, Is.Empty, "it provides nothing");

        following.Provide();
        await following.Time.PassAsync(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(1));
        PeerId[] spared = [.. following.Spared];
        Assert.That(spared, Has.Length.EqualTo(64));
        Assert.That(spared, Is.SubsetOf(following.Followers.Select(follower => follower.Host.LocalPeer)));
        await following.Time.PassAsync(TimeSpan.FromSeconds(12), TimeSpan.FromSeconds(1));
        Assert.That(following.Spared, Is.EquivalentTo(spared), "the same ones");

        await following.Time.PassAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1));
        Assert.That(following.Spared, Is.Empty, "its offer ended");
    }

    private sealed class Following : IProviderLookup, IAsyncDisposable
    {
        public static readonly string Topic = OfferTopics.ForModel("test", TestOffers.ModelId);

        private readonly CancellationTokenSource _stopping = new();
        private OfferBook _book = null!;
        private Task _running = Task.CompletedTask;

        public GossipNetwork Network { get; } = new();

        public ManualTimeProvider Time => Network.Time;

        public GossipNode Node { get; private set; } = null!;

        public List<GossipNode> Providers { get; } = [];

        public int Lookups { get; private set; }

        public int Neighbours => Node.Router.SubscribersOf(Topic).Count;

        public bool IsNeighbour(GossipNode provider) => Node.Router.SubscribersOf(Topic).Contains(provider.Host.LocalPeer);

        public static async Task<Following> StartAsync(int providers)
        {
            Following following = new();
            following.Node = following.Network.Add();
            await following.Network.ConnectAsync(following.Node.Host, following.Network.Add().Host);
            for (int i = 0; i < providers; i++)
            {
                GossipNode provider = following.Network.Add();
                await provider.SubscribeAsync(Topic);
                following.Providers.Add(provider);
            }

            OfferBook book = following._book = new OfferBook(following.Time);
            OfferGossip gossip = new(
                following.Node.Router, book, new ModelDirectory(following.Time), new SignerConduct(following.Time), new NetworkName("test"), following.Time,
                NullLogger<OfferGossip>.Instance);
            await gossip.JoinModelAsync(TestOffers.ModelId, CancellationToken.None);
            ModelNeighbours neighbours = new(following.Node.Host, gossip, book, following, following.Time) { Random = new Random(1) };
            following._running = neighbours.RunAsync(following._stopping.Token);
            return following;
        }

        public List<GossipNode> Followers { get; } = [];

        public IEnumerable<PeerId> Spared => Node.Host.Protected.Keys.Where(item => item.Reason == "follower").Select(item => item.Peer);

        public async Task FollowersAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                GossipNode follower = Network.Add();
                await follower.SubscribeAsync(Topic);
                await Network.ConnectAsync(follower.Host, Node.Host);
                Followers.Add(follower);
            }
        }

        /// <summary>Publishes one offer of its own.</summary>
        public void Provide()
        {
            using TestOffers offers = new(Time.GetUtcNow());
            _book.Add(OfferWriter.Sign(offers.Create(), Node.Host.LocalPeer, Node.Host.Key));
        }

        public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Assert.That(key, Is.EqualTo(OfferTopics.ProviderKey(TestOffers.ModelId)));
            Lookups++;
            foreach (GossipNode provider in Providers)
            {
                await Task.Yield();
                Node.Host.AddAddresses(provider.Host.LocalPeer, provider.Host.Addresses, TimeSpan.FromMinutes(1));
                yield return provider.Host.LocalPeer;
            }
        }

        public Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken) => throw new NotSupportedException("A follower provides nothing.");

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await Assert.ThatAsync(() => _running, Throws.InstanceOf<OperationCanceledException>());
            await Network.DisposeAsync();
            _stopping.Dispose();
        }
    }
}
