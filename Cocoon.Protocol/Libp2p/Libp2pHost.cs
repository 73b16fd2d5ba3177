using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Identify;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Protocol.Libp2p.Protocols.Ping;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p;

/// <summary>A libp2p node over TCP, Noise and yamux, with identify and ping, relays and hole punching.</summary>
public sealed partial class Libp2pHost : ILibp2pHost, IAsyncDisposable
{
    /// <summary>More than a burst of connections at every limit; beyond it events are lost and the loss is logged.</summary>
    private const int EventCapacity = 16 * 1024;

    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(5);

    private readonly Libp2pHostOptions _options;
    private readonly NoiseIdentity _identity;
    private readonly StreamHandlers _handlers = new();
    private readonly PeerStore _store;
    private readonly PeerStoreFile? _storeFile;
    private readonly PeerSwarm _swarm;
    private readonly IdentifyService _identify;
    private readonly OwnAddresses _own = new();
    private readonly ILogger _logger;
    private readonly StreamScope _inboundStreams;
    private readonly StreamScope _outboundStreams;
    private readonly Channel<PeerEvent> _events =
        Channel.CreateBounded<PeerEvent>(new BoundedChannelOptions(EventCapacity) { SingleReader = true });

    private readonly CancellationTokenSource _stopping = new();
    private Task _eventLoop = Task.CompletedTask;
    private Task _saveLoop = Task.CompletedTask;
    private bool _disposed;

    public Libp2pHost(Libp2pHostOptions options)
    {
        _options = options;
        _logger = options.LoggerFactory.CreateLogger<Libp2pHost>();
        _identity = new NoiseIdentity(options.Identity, [YamuxSession.Protocol]);
        _store = new PeerStore(options.Limits, options.TimeProvider);
        _storeFile = options.PeerStorePath is { } path ? new PeerStoreFile(path, options.Limits.StoredPeers) : null;
        ConnectionContext context = new(options.Limits, options.TimeProvider, _logger) { ExemptsPrivate = options.AllowPrivateAddresses };
        _inboundStreams = context.InboundStreams;
        _outboundStreams = context.OutboundStreams;
        _swarm = new PeerSwarm(_identity, _handlers, _store, context, options.AllowPrivateAddresses);
        _identify = new IdentifyService(options.Identity, options.AgentVersion, () => Addresses, _handlers, _swarm, _store, context);
        _swarm.Opened += OnOpened;
        _swarm.Closed += OnClosed;
        _identify.Identified += OnIdentified;
        _observed = new ObservedAddresses(_swarm);
        _relays = CreateRelayClient(context);
        _swarm.Dialer.Add(new CircuitTransport(_swarm, _handlers, _relays.IsReserved, context));
        _dcutr = new DcutrService(options.Dcutr, _swarm, _store, _handlers, () => [.. PunchAddresses()], context);
        _relayServer = options.RelayService is { } limits
            ? new RelayServer(limits, options.Identity, _swarm, _handlers, () => Addresses, options.AllowPrivateAddresses, context)
            : null;
        if (options.AutoNat is { } autoNat)
        {
            _autoNatClient = CreateAutoNatClient(autoNat, context);
            _ = new AutoNatServer(autoNat, _swarm, _handlers, context);
        }

        _own.Changed += OnAddressesChanged;
        _handlers.Set(PingProtocol.Id, PingProtocol.RespondAsync);
        if (options.ServePerf)
        {
            _handlers.Set(PerfProtocol.Id, PerfProtocol.RespondAsync);
        }
    }

    public event Action<PeerEvent>? PeerChanged;

    public PeerId LocalPeer => _identity.LocalPeer;

    public IReadOnlyList<Multiaddr> Addresses => _own.Current;

    /// <summary>The protocols served for inbound streams, as identify announces them.</summary>
    public IReadOnlyList<string> Protocols => _handlers.Protocols;

    public IReadOnlyList<PeerConnectionInfo> Connections => [.. _swarm.Connections.All.Select(connection => connection.Describe())];

    /// <summary>Streams that remotes have open here, over all connections.</summary>
    public int InboundStreams => _inboundStreams.Count;

    /// <summary>Streams that we have open to remotes, over all connections.</summary>
    public int OutboundStreams => _outboundStreams.Count;

    /// <summary>Loads the saved peers, opens the listeners and starts to serve.</summary>
    /// <exception cref="SocketException">A listening address is taken or not ours.</exception>
    /// <exception cref="ArgumentException">A listening address is neither <c>/ip4|ip6/…/tcp/…</c> nor that of a relay.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        List<IPEndPoint> endPoints = [];
        foreach (Multiaddr address in _options.ListenAddresses.Where(address => !address.IsRelayed))
        {
            endPoints.Add(address.TryGetTcpEndPoint(out IPEndPoint? endPoint)
                ? endPoint
                : throw new ArgumentException($"Cannot listen on {address}: only /ip4|ip6/…/tcp/… is supported."));
        }

        await LoadPeersAsync(cancellationToken);
        _swarm.Listen(endPoints);
        _own.Set("listen", _options.AnnounceAddresses.Count > 0 ? _options.AnnounceAddresses : [.. _swarm.ListenEndPoints.SelectMany(Expand)]);
        _swarm.Start();
        _eventLoop = Task.Run(DispatchEventsAsync, CancellationToken.None);
        _saveLoop = Task.Run(SavePeriodicallyAsync, CancellationToken.None);
        StartReachability();
        Log.Started(_logger, LocalPeer, Addresses.Count > 0 ? $"listens on {string.Join(", ", Addresses)}" : "listens nowhere: it only dials");
    }

    public void Handle(string protocol, Func<IPeerStream, CancellationToken, Task> handler)
    {
        _handlers.Set(protocol, handler);
        _identify.QueuePush();
    }

    public void Unhandle(string protocol)
    {
        if (_handlers.Remove(protocol))
        {
            _identify.QueuePush();
        }
    }

    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses, TimeSpan timeToLive) => _store.AddAddresses(peer, addresses, timeToLive);

    /// <summary>A new signed word of the peer says that it listens there: addresses that failed are worth one more try, a few seconds after the last one.</summary>
    /// <remarks>Nothing is remembered of others. Cheap, and callable from under locks.</remarks>
    public void RenewAddresses(PeerId peer, IEnumerable<Multiaddr> addresses) => _swarm.Dialer.Renew(peer, addresses);

    /// <summary>A person asks for the peer now: what is known of it is dialled although it failed, however lately. Not for anything that others can cause.</summary>
    public void ForgiveAddresses(PeerId peer) => _swarm.Dialer.Forgive(peer, _store.GetAddresses(peer));

    public IReadOnlyList<Multiaddr> GetAddresses(PeerId peer) => _store.GetAddresses(peer);

    /// <summary>Addresses known for a peer with what speaks for each, best first.</summary>
    public IReadOnlyList<KnownAddress> DescribeAddresses(PeerId peer) => _store.Describe(peer);

    /// <summary>The bound end points, as the listeners have them; empty when the host only dials.</summary>
    public IReadOnlyList<IPEndPoint> ListenEndPoints => _swarm.ListenEndPoints;

    /// <summary>Peers known from earlier connections, the last seen first: for a start without bootstrap.</summary>
    public IReadOnlyList<PeerId> GetKnownPeers() => [.. _store.Export().Select(saved => saved.Peer)];

    public async ValueTask ConnectAsync(PeerId peer, CancellationToken cancellationToken) => await _swarm.ConnectAsync(peer, cancellationToken);

    /// <summary>Dials an address that the user named, without regard to earlier failures; the peer that answered.</summary>
    /// <param name="address">With <c>/p2p/…</c> only that peer will do.</param>
    /// <exception cref="IOException">Nobody, or another peer, answers.</exception>
    public async ValueTask<PeerId> ConnectAsync(Multiaddr address, CancellationToken cancellationToken) =>
        (await _swarm.ConnectAsync(address, cancellationToken)).RemotePeer;

    public async ValueTask<IPeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        PeerConnection connection = await ConnectForAsync(peer, protocols, cancellationToken);
        try
        {
            return await OpenStreamAsync(connection, protocols, cancellationToken);
        }
        catch (Libp2pException exception) when (exception.Code == Libp2pErrorCode.ConnectionClosed)
        {
            // The remote left at this moment, and may be back under the same address.
            connection = await ConnectForAsync(peer, protocols, cancellationToken);
            return await OpenStreamAsync(connection, protocols, cancellationToken);
        }
    }

    /// <summary>A connection that the protocols may run on: where the relayed one is too narrow, a direct one is dialled.</summary>
    private async ValueTask<PeerConnection> ConnectForAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        PeerConnection connection = await _swarm.ConnectAsync(peer, cancellationToken);
        return protocols.Any(connection.MayRun) ? connection : await _swarm.ConnectAsync(peer, isDirect: true, cancellationToken);
    }

    /// <summary>As <see cref="OpenStreamAsync(PeerId, IReadOnlyList{string}, CancellationToken)"/>, without waiting for the remote's agreement: a refusal shows at the first read.</summary>
    public async ValueTask<IPeerStream> OpenOptimisticStreamAsync(PeerId peer, string protocol, CancellationToken cancellationToken)
    {
        PeerConnection connection = await ConnectForAsync(peer, [protocol], cancellationToken);
        return await connection.OpenStreamAsync([protocol], optimistic: true, cancellationToken);
    }

    /// <summary>Measures one round trip by <c>/ipfs/ping</c>.</summary>
    /// <exception cref="IOException">Not reachable, or it answers wrongly.</exception>
    public async ValueTask<TimeSpan> PingAsync(PeerId peer, CancellationToken cancellationToken)
    {
        PeerConnection connection = await _swarm.ConnectAsync(peer, cancellationToken);
        await using PeerStream stream = await connection.OpenStreamAsync([PingProtocol.Id], optimistic: true, cancellationToken);
        TimeSpan roundTrip = await PingProtocol.PingAsync(stream, _options.TimeProvider, cancellationToken);
        await stream.CloseWriteAsync(cancellationToken);
        connection.Session.AddRoundTrip(roundTrip);
        return roundTrip;
    }

    public async ValueTask DisconnectAsync(PeerId peer)
    {
        foreach (PeerConnection connection in _swarm.Connections.GetAll(peer))
        {
            await connection.DisposeAsync();
        }
    }

    public void Protect(PeerId peer, string reason) => _swarm.Connections.Protect(peer, reason);

    public void Unprotect(PeerId peer, string reason) => _swarm.Connections.Unprotect(peer, reason);

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        await _stopping.CancelAsync();
        await DisposeReachabilityAsync();
        await _identify.DisposeAsync();
        await _swarm.DisposeAsync();
        _events.Writer.TryComplete();
        await Task.WhenAll(_eventLoop, _saveLoop);
        await SavePeersAsync(CancellationToken.None);
        _identity.Dispose();
        _stopping.Dispose();
    }

    private static async ValueTask<IPeerStream> OpenStreamAsync(PeerConnection connection, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        string? announced = connection.Identity is { } identity ? protocols.FirstOrDefault(p => identity.Protocols.Contains(p) && connection.MayRun(p)) : null;
        return announced is null
            ? await connection.OpenStreamAsync(protocols, optimistic: false, cancellationToken)
            : await connection.OpenStreamAsync([announced], optimistic: true, cancellationToken);
    }

    /// <summary>A wildcard address stands for those of all interfaces; only addresses that others may dial are announced.</summary>
    private IEnumerable<Multiaddr> Expand(IPEndPoint endPoint)
    {
        bool isWildcard = endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any);
        IEnumerable<IPAddress> addresses = isWildcard
            ? NetworkInterface.GetAllNetworkInterfaces()
                .Where(network => network.OperationalStatus == OperationalStatus.Up)
                .SelectMany(network => network.GetIPProperties().UnicastAddresses)
                .Select(unicast => unicast.Address)
                .Where(ip => ip.AddressFamily == endPoint.AddressFamily && !ip.IsIPv6LinkLocal)
            : [endPoint.Address];
        return addresses.Select(ip => Multiaddr.FromEndPoint(new IPEndPoint(ip, endPoint.Port))).Where(_swarm.Dialer.IsAllowed);
    }

    private void OnOpened(PeerConnection connection, bool isFirst)
    {
        if (isFirst)
        {
            Raise(new PeerEvent.Connected(connection.RemotePeer, connection.IsOutbound));
        }

        _identify.Start(connection);
    }

    private void OnClosed(PeerConnection connection, bool isLast)
    {
        _identify.Forget(connection);
        if (isLast)
        {
            Raise(new PeerEvent.Disconnected(connection.RemotePeer));
        }
    }

    private void OnIdentified(PeerConnection connection)
    {
        Raise(new PeerEvent.Identified(connection.RemotePeer, connection.Identity?.Protocols ?? []));
        ConsiderForReachability(connection);
    }

    private void Raise(PeerEvent peerEvent)
    {
        if (!_events.Writer.TryWrite(peerEvent) && !_disposed)
        {
            Log.EventLost(_logger, peerEvent.Peer);
        }
    }

    private async Task DispatchEventsAsync()
    {
        await foreach (PeerEvent peerEvent in _events.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                PeerChanged?.Invoke(peerEvent);
            }
            catch (Exception exception)
            {
                Log.SubscriberFailed(_logger, exception);
            }
        }
    }

    private async Task LoadPeersAsync(CancellationToken cancellationToken)
    {
        if (_storeFile is null)
        {
            return;
        }

        try
        {
            _store.Import(await _storeFile.LoadAsync(cancellationToken), PeerSwarm.WorkingAddressTimeToLive);
        }
        catch (Exception exception) when (exception is IOException or System.Text.Json.JsonException or UnauthorizedAccessException)
        {
            Log.LoadFailed(_logger, exception.Message);
        }
    }

    private async Task SavePeriodicallyAsync()
    {
        using PeriodicTimer timer = new(SaveInterval, _options.TimeProvider);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                await SavePeersAsync(_stopping.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping; the last state is saved by the disposal.
        }
    }

    private async Task SavePeersAsync(CancellationToken cancellationToken)
    {
        if (_storeFile is null)
        {
            return;
        }

        try
        {
            await _storeFile.SaveAsync(_store.Export(), cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Log.SaveFailed(_logger, exception.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Information, "Peer {Peer} {Listens}")]
        public static partial void Started(ILogger logger, PeerId peer, string listens);

        [LoggerMessage(3002, LogLevel.Warning, "An event about {Peer} was lost: subscribers are too slow")]
        public static partial void EventLost(ILogger logger, PeerId peer);

        [LoggerMessage(3003, LogLevel.Error, "A subscriber of peer events failed")]
        public static partial void SubscriberFailed(ILogger logger, Exception exception);

        [LoggerMessage(3004, LogLevel.Warning, "Saved peers could not be loaded: {Reason}")]
        public static partial void LoadFailed(ILogger logger, string reason);

        [LoggerMessage(3005, LogLevel.Warning, "Peers could not be saved: {Reason}")]
        public static partial void SaveFailed(ILogger logger, string reason);
    }
}
