using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Peers;

/// <summary>The node's libp2p host with its DHT and gossip, and the order in which they start and stop.</summary>
internal sealed partial class PeerNetwork : IHostedService, IProviderLookup, IAsyncDisposable
{
    private static readonly string[] DefaultListen = Socket.OSSupportsIPv6 ? ["/ip4/0.0.0.0/tcp/4484", "/ip6/::/tcp/4484"] : ["/ip4/0.0.0.0/tcp/4484"];

    private readonly BootstrapList _bootstrap;
    private readonly ILogger<PeerNetwork> _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool _serves;
    private Task _joining = Task.CompletedTask;

    public PeerNetwork(NodeOptions options, NodeIdentity identity, NetworkName network, BootstrapList bootstrap, SignerConduct conduct, NodeAgent agent, TimeProvider time, ILoggerFactory loggers)
    {
        _bootstrap = bootstrap;
        _time = time;
        _logger = loggers.CreateLogger<PeerNetwork>();
        bool dialsOnly = options.Role is NodeRole.Client or NodeRole.Observer && options.Listen.Count == 0;
        _serves = options.Role is not (NodeRole.Client or NodeRole.Observer);
        Host = new Libp2pHost(new Libp2pHostOptions
        {
            Identity = identity.Key,
            ListenAddresses = dialsOnly ? [] : [.. (options.Listen.Count > 0 ? options.Listen : DefaultListen).Select(Multiaddr.Parse)],
            AgentVersion = agent.Value,
            AllowPrivateAddresses = options.AllowPrivateAddresses,
            AutoNat = dialsOnly ? null : new AutoNatOptions(),
            RelayService = options.RelaysPeers ? new RelayLimits() : null,
            RelayWhenPrivate = _serves,
            RelayClient = new RelayClientOptions { Candidates = () => KnownRelays() },
            PeerStorePath = Path.Combine(options.DataDirectory, "peers.json"),
            TimeProvider = time,
            LoggerFactory = loggers,
        });
        GossipsubOptions gossip = new() { Score = { ApplicationScore = conduct.ScoreOf } };
        Gossip = new GossipsubRouter(Host, identity.Key, gossip, time, loggers.CreateLogger<GossipsubRouter>());
        KadOptions kad = new()
        {
            Protocol = OfferTopics.KademliaProtocol(network.Value),
            Mode = options.Role is NodeRole.Client or NodeRole.Observer ? KadMode.Client : KadMode.Server,
            AllowLocalAddresses = options.AllowPrivateAddresses,
        };
        kad.Validators.Add(SignedValue.Namespace, new SignedValueValidator());
        Dht = new KademliaDht(Host, kad, time, loggers.CreateLogger<KademliaDht>());
    }

    public Libp2pHost Host { get; }

    /// <summary>Relays beyond the connected peers, with <c>/p2p/…</c>; asked when this node needs one.</summary>
    public Func<IEnumerable<Multiaddr>> KnownRelays { get; set; } = static () => [];

    public GossipsubRouter Gossip { get; }

    public KademliaDht Dht { get; }

    /// <summary>Completes when the node first reached somebody and knows its neighbourhood.</summary>
    public Task Joined => _joined.Task;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Host.StartAsync(cancellationToken);
        Gossip.Start();
        if (_serves)
        {
            // Until AutoNAT knows more, an address of ours that others may dial decides: who has none would only fill their tables.
            Dht.SetMode(Host.Addresses.Any(address => !address.IsRelayed) ? KadMode.Server : KadMode.Client);
            Host.ReachabilityChanged += OnReachabilityChanged;
        }

        Dht.Start();
        _joining = Task.Run(() => StayJoinedAsync(_stopping.Token), CancellationToken.None);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _joining;
    }

    public async IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (KadPeer provider in Dht.FindProvidersAsync(key, cancellationToken: cancellationToken))
        {
            Host.AddAddresses(provider.Peer, provider.Addresses, TimeSpan.FromMinutes(30));
            yield return provider.Peer;
        }
    }

    public async Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken) => await Dht.ProvideAsync(key, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Host.ReachabilityChanged -= OnReachabilityChanged;
        await Dht.DisposeAsync();
        await Gossip.DisposeAsync();
        await Host.DisposeAsync();
        _stopping.Dispose();
    }

    private void OnReachabilityChanged(ReachabilityReport report)
    {
        if (report.Verdict == Reachability.Unknown || _stopping.IsCancellationRequested)
        {
            return;
        }

        try
        {
            Dht.SetMode(report.IsPublic ? KadMode.Server : KadMode.Client);
        }
        catch (ObjectDisposedException)
        {
            // The node stops at this moment.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1001, LogLevel.Information, "Joined through {Peer}")]
        public static partial void Joined(ILogger logger, PeerId peer);

        [LoggerMessage(1002, LogLevel.Warning, "Bootstrap address {Address} does not answer: {Why}")]
        public static partial void BootstrapFailed(ILogger logger, string address, string why);
    }
}
