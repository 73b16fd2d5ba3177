using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.PrivacyRelay;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Cocoon.Tests.Simulation;

/// <summary>One node: the real DHT, gossip router, score, offer validation, book, finder, follower and publisher on a simulated host.</summary>
internal sealed class SimNode : IProviderLookup, IDisposable
{
    /// <summary>As the node's own network service: enough connections for a mesh with some to spare, in small steps.</summary>
    private const int WantedConnections = 10, MaxDialsPerRound = 4;

    /// <summary>Milliseconds that a node of a warm start has been there already.</summary>
    private const long LongAgo = 600_000;

    private readonly Ed25519PrivateKey _key;
    private readonly Simulation _simulation;
    private readonly CancellationTokenSource _leaving = new();
    private readonly OfferGossip _offers;
    private readonly OfferFollower _follower;
    private readonly OfferFinder _finder;
    private readonly ModelDirectory _directory;
    private readonly OfferPublisher? _publisher;
    private readonly Dictionary<SimModel, long> _uses = [];

    /// <param name="isKnown">It has been there for long: directories name it.</param>
    public SimNode(Simulation simulation, SimHost host, Ed25519PrivateKey key, SimModel? serves, NodeRole role, bool isKnown, int seed)
    {
        _simulation = simulation;
        _key = key;
        Host = host;
        Serves = serves;
        Role = role;
        SimClock clock = host.Clock;
        NetworkName network = new("sim");
        SignerConduct conduct = new(clock);
        GossipsubOptions gossip = new()
        {
            Random = new Random(seed),
            ValidationWorkers = 1,
            Verify = simulation.Signatures.Verify,
            Score = { ApplicationScore = conduct.ScoreOf },
        };
        Gossip = new GossipsubRouter(host, key, gossip, clock);
        KadOptions kad = new()
        {
            Protocol = OfferTopics.KademliaProtocol(network.Value),
            Mode = host.IsDialable ? KadMode.Server : KadMode.Client,
            Random = new Random(seed + 1),
        };
        Table = new RoutingTable(host.LocalPeer, kad.BucketSize, clock);
        Dht = new KademliaDht(host, kad, Table, clock);
        Dht.LookupEnded += simulation.OnLookup;
        Book = new OfferBook(clock);
        Book.Changed += offer => simulation.OnOffer(this, offer);
        _directory = new ModelDirectory(clock) { Verify = simulation.Signatures.Verify };
        OwnOffers own = new(clock);
        _offers = new OfferGossip(Gossip, Book, _directory, conduct, network, clock, NullLogger<OfferGossip>.Instance) { Read = simulation.Signatures.Read };
        OfferExchange exchange = new(host, Book, own, clock);
        _finder = new OfferFinder(host, Book, _directory, _offers, exchange, this, clock, NullLogger<OfferFinder>.Instance);
        NodeOptions options = new() { Role = role, DataDirectory = "" };
        ModelNeighbours neighbours = new(host, _offers, Book, this, clock) { Random = new Random(seed + 2) };
        _follower = new OfferFollower(options, host, _directory, _offers, exchange, _finder, neighbours, clock, NullLogger<OfferFollower>.Instance);
        if (serves is not null)
        {
            ServingOptions serving = new();
            RelayService relay = new(host, key, new RelayLimits(), forwards: false, clock, NullLogger<RelayService>.Instance);
            PayoutTerms payout = new("0:" + Convert.ToHexStringLower(host.LocalPeer.Bytes[^32..]), key.PublicKey);
            ModelServingOptions model = new();
            OfferedModels models = new([new OfferedModel(new SimEnclave(serves.Id, serves.Name), model, new ServingPrices(model, isAutomatic: false))]);
            OfferWriting writing = new(
                host, relay, key, payout, new RouteTerms(new HashSet<string> { new('0', 64) }, -3), new NodeAgent("cocoon/simulated"), Options.Create(serving), clock);
            _publisher = new OfferPublisher(
                host, models, new ServingSwitch(), writing, own, Book, _offers, new DirectoryPublisher(host, key, _directory, _offers, clock) { IsKnown = isKnown }, this, clock,
                NullLogger<OfferPublisher>.Instance);
        }
    }

    public SimHost Host { get; }

    public GossipsubRouter Gossip { get; }

    public KademliaDht Dht { get; }

    /// <summary>The DHT's; filled before the start for a node that has been there for long.</summary>
    public RoutingTable Table { get; }

    public OfferBook Book { get; }

    public NodeRole Role { get; }

    /// <summary>The model it serves; <c>null</c> for clients and bootstrap nodes.</summary>
    public SimModel? Serves { get; }

    /// <summary>Models whose offers it asked for.</summary>
    public IReadOnlyCollection<SimModel> Uses => _uses.Keys;

    /// <summary>Virtual milliseconds; before the run for nodes of a warm start.</summary>
    public long JoinedAt { get; private set; }

    public bool IsLeaving => _leaving.IsCancellationRequested;

    /// <param name="neighbours">Peers that a node of a warm start is connected to from <paramref name="connected"/> on; others join through <paramref name="bootstrap"/>.</param>
    public void Start(IReadOnlyList<(PeerId Peer, Multiaddr Address)> bootstrap, IReadOnlyList<PeerId>? neighbours = null, TimeSpan connected = default)
    {
        JoinedAt = neighbours is null ? _simulation.Loop.Now : _simulation.Loop.Now - LongAgo;
        Gossip.Start();
        Dht.Start();
        _simulation.Network.Watch(StayJoinedAsync(bootstrap, neighbours ?? [], connected, _leaving.Token));
        foreach (SimModel model in _uses.Keys)
        {
            _simulation.Network.Watch(_offers.JoinModelAsync(model.Id, _leaving.Token));
        }

        _simulation.Network.Watch(_follower.RunAsync(_leaving.Token));
        if (_publisher is not null)
        {
            _simulation.Network.Watch(_publisher.RunAsync(_leaving.Token));
        }
    }

    /// <summary>Its directory as it would have published it some time ago.</summary>
    public byte[] DirectoryOf(SimModel model, TimeSpan age) => ModelDirectory.Sign(
        [new Offer { ModelName = model.Name, ModelId = ByteString.CopyFrom(model.Id), Tier = "open" }], Host.LocalPeer, _key, Host.Clock.GetUtcNow() - age);

    /// <summary>Heard before the run.</summary>
    public void Know(byte[] directory, PeerId from) => _directory.Add(directory, from);

    /// <summary>It asked for the model before the run.</summary>
    public void Follow(SimModel model) => _uses.Add(model, _simulation.Loop.Now);

    /// <summary>Looks for a model as a request would.</summary>
    /// <returns>Offers found within the wait.</returns>
    public async Task<int> UseAsync(SimModel model, TimeSpan wait)
    {
        _uses.TryAdd(model, _simulation.Loop.Now);
        return (await _finder.FindAsync(model.Hex, wait, CancellationToken.None)).Count;
    }

    /// <summary>Whether it has asked for the model since before that moment.</summary>
    public bool Listens(SimModel model, long since) => _uses.TryGetValue(model, out long at) && at <= since;

    /// <summary>Stops in order: the offer is withdrawn first.</summary>
    public void Leave() => _leaving.Cancel();

    public void Kill(bool gone)
    {
        Host.Kill(gone);
        Dispose();
    }

    public void Dispose()
    {
        _key.Dispose();
        _leaving.Dispose();
        _follower.Dispose();
        _publisher?.Dispose();
    }

    public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (KadPeer provider in Dht.FindProvidersAsync(key, cancellationToken: cancellationToken))
        {
            Host.AddAddresses(provider.Peer, provider.Addresses, TimeSpan.FromMinutes(30));
            yield return provider.Peer;
        }
    }

    public Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken) => Dht.ProvideAsync(key, cancellationToken);

    private async Task StayJoinedAsync(
        IReadOnlyList<(PeerId Peer, Multiaddr Address)> bootstrap, IReadOnlyList<PeerId> neighbours, TimeSpan connected, CancellationToken cancellationToken)
    {
        try
        {
            if (neighbours.Count > 0)
            {
                await Task.Delay(connected, Host.Clock, cancellationToken);
                await Task.WhenAll(neighbours.Select(peer => TryConnectAsync(peer, cancellationToken)));
            }

            while (true)
            {
                if (Host.ConnectionCount == 0)
                {
                    await JoinAsync(bootstrap, cancellationToken);
                }
                else if (Host.ConnectionCount < WantedConnections)
                {
                    await WidenAsync(cancellationToken);
                }

                await Task.Delay(TimeSpan.FromSeconds(Host.ConnectionCount == 0 ? 2 : 15), Host.Clock, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Leaving.
        }
    }

    private async Task JoinAsync(IReadOnlyList<(PeerId Peer, Multiaddr Address)> bootstrap, CancellationToken cancellationToken)
    {
        foreach ((PeerId peer, Multiaddr address) in bootstrap)
        {
            Host.AddAddresses(peer, [address], TimeSpan.FromDays(1));
        }

        if (await ConnectSomeAsync(bootstrap.Select(item => item.Peer), cancellationToken))
        {
            await Dht.BootstrapAsync(cancellationToken);
            await WidenAsync(cancellationToken);
        }
    }

    private Task<bool> WidenAsync(CancellationToken cancellationToken)
    {
        HashSet<PeerId> connected = [.. Host.Connections.Select(connection => connection.Peer)];
        return ConnectSomeAsync(Dht.Snapshot().Buckets.SelectMany(bucket => bucket.Peers).Select(entry => entry.Peer).Where(peer => !connected.Contains(peer)), cancellationToken);
    }

    private async Task<bool> ConnectSomeAsync(IEnumerable<PeerId> peers, CancellationToken cancellationToken)
    {
        bool any = false;
        foreach (PeerId peer in peers.Where(peer => peer != Host.LocalPeer).Take(MaxDialsPerRound).ToArray())
        {
            any |= await TryConnectAsync(peer, cancellationToken);
        }

        return any;
    }

    private async Task<bool> TryConnectAsync(PeerId peer, CancellationToken cancellationToken)
    {
        try
        {
            await Host.ConnectAsync(peer, cancellationToken);
            return true;
        }
        catch (IOException)
        {
            // A hint that led nowhere.
            return false;
        }
    }
}

/// <summary>A model that some nodes serve and others use.</summary>
internal sealed record SimModel(string Name, byte[] Id)
{
    public string Hex { get; } = Convert.ToHexStringLower(Id);
}
