using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Hosting;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Protocol.Libp2p.Gossipsub;
using Cocoon.Tests.Simulation;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

/// <summary>A provider's publisher and a client's book over real gossip on an in-memory network, in virtual time.</summary>
[CancelAfter(60_000)]
public sealed class OfferPublisherTests
{
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(2);

    [TestCase(1), TestCase(6)]
    public async Task Pause_RightAfterTheOffers_TakesAllOfThemBackWithinTwoSeconds(int models)
    {
        await VirtualLoop.Enter();
        await using Bench bench = await Bench.OpenAsync(models);
        await bench.FollowAsync();
        await bench.Time.UntilAsync(() => bench.Offers == models, "the client has every offer", TimeSpan.FromSeconds(20));
        bench.Serving.Set(ServingPause.Owner, true);
        await bench.Time.UntilAsync(() => bench.Offers == 0, "none is left", Within);
        await bench.Time.PassAsync(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1));
        Assert.That(bench.Offers, Is.Zero);
        bench.Serving.Set(ServingPause.Owner, false);
        await bench.Time.UntilAsync(() => bench.Offers == models, "they are back", Within + TimeSpan.FromSeconds(models));
    }

    /// <summary>It learned the offer by asking, and its gossip is joined only after the withdrawal went through it.</summary>
    [Test]
    public async Task Withdrawal_ThatAClientMissed_IsSaidAgain()
    {
        await VirtualLoop.Enter();
        await using Bench bench = await Bench.OpenAsync(models: 1);
        await bench.Time.UntilAsync(() => bench.Own.Current.Count == 1, "the provider offers", TimeSpan.FromSeconds(2));
        bench.Client.Add(bench.Own.Current[0].Signed, OfferSource.Peers);
        Assert.That(bench.Offers, Is.EqualTo(1));
        bench.Serving.Set(ServingPause.Owner, true);
        await bench.Time.PassAsync(TimeSpan.FromMilliseconds(200));
        await bench.FollowAsync();
        Assert.That(bench.Offers, Is.EqualTo(1), "it missed the first");
        await bench.Time.UntilAsync(() => bench.Offers == 0, "it hears of it", Within);
    }

    [Test]
    public async Task Withdrawal_IsSaidAFewTimes_UntilTheOfferLivesNowhere()
    {
        await VirtualLoop.Enter();
        await using Bench bench = await Bench.OpenAsync(models: 1);
        await bench.FollowAsync();
        await bench.Time.UntilAsync(() => bench.Offers == 1, "the offer", TimeSpan.FromSeconds(20));
        int before = bench.Heard;
        bench.Serving.Set(ServingPause.Owner, true);
        await bench.Time.PassAsync(TimeSpan.FromMinutes(5), TimeSpan.FromMilliseconds(500));
        Assert.That(bench.Heard - before, Is.EqualTo(6), "after 0, 1, 3, 7, 15 and 31 s; the offer was for 45");
    }

    [Test]
    public async Task Model_WhoseAnnouncementFails_IsToldAtOnce_AndDoesNotKeepTheOthersBack()
    {
        await VirtualLoop.Enter();
        await using Bench bench = await Bench.OpenAsync(models: 2, failures: 1);
        await bench.FollowAsync();
        Assert.That(bench.Logger.Entries, Has.One.Contains("model 1").And.One.Contains("it does not start"));
        await bench.Time.UntilAsync(() => bench.Own.Current.Count == 1, "the other model is offered", TimeSpan.FromSeconds(1));
        await bench.Time.UntilAsync(() => bench.Own.Current.Count == 2, "and the first one, once it can be", RestartingLoops.Pause);
        await bench.Time.UntilAsync(() => bench.Offers == 2, "the client has both", TimeSpan.FromSeconds(20));
    }

    private sealed class Bench : IProviderLookup, IAsyncDisposable
    {
        private readonly GossipNetwork _network = new();
        private readonly CancellationTokenSource _stop = new();
        private readonly OfferBook _book;
        private readonly byte[][] _models;
        private readonly OfferPublisher _publisher;
        private readonly Task _running;

        private Bench(int models, int failures)
        {
            GossipNode provider = _network.Add(), client = _network.Add();
            _models = [.. Enumerable.Range(1, models).Select(i => Enumerable.Repeat((byte)i, 32).ToArray())];
            _book = new OfferBook(Time);
            ModelDirectory directory = new(Time);
            Client = Gossip(client, _book, directory);
            Client.Judged += (_, _) => Heard++;
            Own = new OwnOffers(Time);
            OfferGossip gossip = Gossip(provider, new OfferBook(Time), directory);
            ServingOptions options = new();
            RelayService relay = new(provider.Host, provider.Host.Key, new RelayLimits(), forwards: false, Time, NullLogger<RelayService>.Instance);
            PayoutTerms payout = new("0:" + new string('1', 64), provider.Host.Key.PublicKey);
            OfferWriting writing = new(
                provider.Host, relay, provider.Host.Key, payout, new RouteTerms(new HashSet<string> { new('0', 64) }, -3), new NodeAgent("cocoon/test"), Options.Create(options), Time);
            ModelServingOptions model = new();
            OfferedModels offered = new(
            [
                .. _models.Select((id, i) => new OfferedModel(new SlowEnclave(new SimEnclave(id, $"model-{i}"), i < failures), model, new ServingPrices(model, isAutomatic: false))),
            ]);
            _publisher = new OfferPublisher(
                provider.Host, offered, Serving, writing, Own, new OfferBook(Time), gossip, new DirectoryPublisher(provider.Host, provider.Host.Key, directory, gossip, Time), this, Time, Logger);
            _running = _publisher.RunAsync(_stop.Token);
        }

        public ManualTimeProvider Time => _network.Time;

        public ServingSwitch Serving { get; } = new();

        public OwnOffers Own { get; }

        /// <summary>The client's; it is in no topic before <see cref="FollowAsync"/>.</summary>
        public OfferGossip Client { get; }

        public RecordingLogger<OfferPublisher> Logger { get; } = new();

        /// <summary>Offers that the client could use now.</summary>
        public int Offers => _book.All().Count;

        /// <summary>Messages that the client has judged.</summary>
        public int Heard { get; private set; }

        public static async Task<Bench> OpenAsync(int models, int failures = 0)
        {
            Bench bench = new(models, failures);
            await bench._network.ConnectAsync(bench._network.Nodes[1].Host, bench._network.Nodes[0].Host);
            return bench;
        }

        public async Task FollowAsync()
        {
            foreach (byte[] model in _models)
            {
                await Client.JoinModelAsync(model, CancellationToken.None);
            }
        }

        public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.CompletedTask;
            yield break;
        }

        public Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken) => Task.FromResult(1);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Time.RunAsync(_running);
            _publisher.Dispose();
            _stop.Dispose();
            await _network.DisposeAsync();
        }

        private OfferGossip Gossip(GossipNode node, OfferBook book, ModelDirectory directory) =>
            new(node.Router, book, directory, new SignerConduct(Time), new NetworkName("devnet"), Time, NullLogger<OfferGossip>.Instance);
    }

    /// <summary>A model that may fail to come up for the first time.</summary>
    private sealed class SlowEnclave(IEnclave inner, bool fails) : IEnclave
    {
        private bool _fails = fails;

        public event Action? Changed
        {
            add => inner.Changed += value;
            remove => inner.Changed -= value;
        }

        public EnclaveStatus Status => inner.Status;

        public EnclaveInfo? Info => _fails ? null : inner.Info;

        public Load Load => inner.Load;

        public string? LastFault => inner.LastFault;

        public Task<EnclaveInfo> WaitReadyAsync(CancellationToken cancellationToken)
        {
            bool now = _fails;
            _fails = false;
            return now ? Task.FromException<EnclaveInfo>(new InvalidOperationException("it does not start")) : inner.WaitReadyAsync(cancellationToken);
        }

        public Task<IEnclaveSession> OpenAsync(ReadOnlyMemory<byte> hello, SignedQuote quote, CancellationToken cancellationToken) => inner.OpenAsync(hello, quote, cancellationToken);

        public Task<SelfTestReport> SelfTestAsync(CancellationToken cancellationToken) => inner.SelfTestAsync(cancellationToken);
    }
}
