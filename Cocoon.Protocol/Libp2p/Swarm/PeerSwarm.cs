using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Listens, dials, and keeps the connections.</summary>
internal sealed partial class PeerSwarm : IAsyncDisposable
{
    private static readonly TimeSpan MaintenanceInterval = TimeSpan.FromSeconds(5);

    /// <summary>How long the address of a relay is remembered that somebody's address named. Own choice.</summary>
    private static readonly TimeSpan HintTimeToLive = TimeSpan.FromMinutes(10);

    /// <summary>How long addresses that worked are remembered.</summary>
    public static readonly TimeSpan WorkingAddressTimeToLive = TimeSpan.FromHours(24);

    private readonly PeerId _localPeer;
    private readonly ConnectionContext _context;
    private readonly StreamHandlers _handlers;
    private readonly PeerStore _store;
    private readonly Upgrader _upgrader;
    private readonly TcpTransport _transport;
    private readonly InboundGate _gate;
    private readonly ExpectedPunches _punches = new();
    private readonly LinkedList<PendingUpgrade> _upgrading = new();
    private readonly Dictionary<(PeerId Peer, bool IsDirect), Task<PeerConnection>> _dials = [];
    private readonly ConcurrentDictionary<Task, byte> _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Socket> _listeners = [];
    private Socket? _dialPort;

    public PeerSwarm(NoiseIdentity identity, StreamHandlers handlers, PeerStore store, ConnectionContext context, bool allowPrivate)
    {
        _localPeer = identity.LocalPeer;
        _context = context;
        _handlers = handlers;
        _store = store;
        _upgrader = new Upgrader(identity);
        _gate = new InboundGate(context.Limits, context.Time, allowPrivate);
        _transport = new TcpTransport();
        Dialer = new Dialer(_transport, _upgrader, context, allowPrivate);
        Connections = new ConnectionTable(context.Limits, context.Time);
    }

    /// <summary>A connection is up; whether it is the first one to its peer.</summary>
    public event Action<PeerConnection, bool>? Opened;

    /// <summary>A connection is gone; whether it was the last one to its peer.</summary>
    public event Action<PeerConnection, bool>? Closed;

    public ConnectionTable Connections { get; }

    public PeerId LocalPeer => _localPeer;

    /// <summary>Local ports that all dials leave from where they can.</summary>
    public IEnumerable<int> DialPorts => _dialPort is null
        ? ListenEndPoints.Select(endPoint => endPoint.Port)
        : [((IPEndPoint)_dialPort.LocalEndPoint!).Port];

    public Dialer Dialer { get; }

    /// <summary>The bound end points of the listeners.</summary>
    public IReadOnlyList<IPEndPoint> ListenEndPoints { get; private set; } = [];

    /// <summary>Opens the listeners; connections wait until <see cref="Start"/>.</summary>
    /// <exception cref="SocketException">An address is taken or not ours.</exception>
    public void Listen(IEnumerable<IPEndPoint> endPoints)
    {
        foreach (IPEndPoint endPoint in endPoints)
        {
            _listeners.Add(_transport.Listen(endPoint));
        }

        ListenEndPoints = [.. _listeners.Select(listener => (IPEndPoint)listener.LocalEndPoint!)];
        if (_listeners.Count == 0)
        {
            _dialPort = _transport.ReserveDialPort(IPAddress.Any);
        }
    }

    /// <summary>Begins to accept connections and to look after the open ones.</summary>
    public void Start()
    {
        _listeners.ForEach(listener => Track(AcceptLoopAsync(listener)));
        Track(MaintainAsync());
    }

    /// <summary>A connection to the peer: an open one, or one dialled now. Callers at the same time share one dial.</summary>
    /// <exception cref="Libp2pException">No address answers as this peer.</exception>
    public ValueTask<PeerConnection> ConnectAsync(PeerId peer, CancellationToken cancellationToken) => ConnectAsync(peer, isDirect: false, cancellationToken);

    /// <summary>As <see cref="ConnectAsync(PeerId, CancellationToken)"/>; relayed connections and addresses do not count when <paramref name="isDirect"/>.</summary>
    /// <exception cref="Libp2pException">No address answers as this peer.</exception>
    public async ValueTask<PeerConnection> ConnectAsync(PeerId peer, bool isDirect, CancellationToken cancellationToken)
    {
        if (Connections.TryGet(peer, out PeerConnection? connection) && !(isDirect && connection.IsRelayed))
        {
            return connection;
        }

        if (peer == _localPeer)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, "The peer is this node itself.");
        }

        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        return await Dial((peer, isDirect)).WaitAsync(cancellationToken);
    }

    /// <summary>Dials one address that the user named, whoever answers unless it names the peer.</summary>
    /// <exception cref="Libp2pException">Nobody, or another peer, answers.</exception>
    public async Task<PeerConnection> ConnectAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        if (address.Peer is { } peer && Connections.TryGet(peer, out PeerConnection? connection) && (address.IsRelayed || !connection.IsRelayed))
        {
            return connection;
        }

        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        NoiseChannel channel = await Dialer.DialAsync(address.Peer, [address], isExplicit: true, stop.Token);
        return await AddAsync(channel, isOutbound: true, address);
    }

    /// <summary>An address that leads to the peer, if it may be dialled at all.</summary>
    public void AddHint(PeerId peer, Multiaddr address)
    {
        if (Dialer.IsAllowed(address))
        {
            _store.AddAddresses(peer, [address], HintTimeToLive);
        }
    }

    /// <summary>Takes a circuit that a relay opened to us, as if it had been accepted from a socket.</summary>
    /// <param name="raw">Disposed when this fails.</param>
    /// <exception cref="IOException">The remote is another peer than the relay said, or breaks a protocol.</exception>
    public async Task<PeerConnection> AcceptAsync(RelayedConnection raw, PeerId expected, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_context.Limits.UpgradeTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _stopping.Token, cancellationToken);
        NoiseChannel channel = await _upgrader.UpgradeAsync(raw, isInitiator: false, expected, stop.Token);
        return await AddAsync(channel, isOutbound: false, dialled: null);
    }

    /// <summary>
    /// Connects to the peer from the listening port while it connects to us, again and again until <paramref name="cancellationToken"/>:
    /// its NAT lets us in once its own packet has gone out.
    /// </summary>
    /// <param name="isInitiator">The role in the handshake, which the two sides have agreed on before, whoever's connect succeeds.</param>
    /// <exception cref="IOException">No address led to the peer.</exception>
    public async Task<PeerConnection> PunchAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool isInitiator, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        NoiseChannel channel = await Dialer.PunchAsync(peer, addresses, isInitiator, stop.Token);
        return await AddAsync(channel, isInitiator, dialled: null);
    }

    /// <summary>
    /// Until the result is disposed of, a connection that comes from one of these addresses and on which the remote does not begin is taken
    /// as one that we dialled: call before the peer learns our addresses.
    /// </summary>
    public IDisposable ExpectPunch(PeerId peer, IEnumerable<Multiaddr> addresses) => _punches.Expect(peer, addresses);

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        _listeners.ForEach(listener => listener.Dispose());
        _dialPort?.Dispose();
        await Task.WhenAll(Connections.All.Select(connection => connection.DisposeAsync().AsTask()));
        while (!_tasks.IsEmpty)
        {
            await Task.WhenAll(_tasks.Keys);
        }

        Dialer.Dispose();
        _stopping.Dispose();
    }

    /// <summary>The dial under way, or a new one.</summary>
    private Task<PeerConnection> Dial((PeerId Peer, bool IsDirect) key)
    {
        Task<PeerConnection>? dial;
        lock (_dials)
        {
            if (_dials.TryGetValue(key, out dial))
            {
                return dial;
            }

            // Under the lock: a dial without an address to try is over at once, and must find itself here to be forgotten.
            dial = Task.Run(() => DialAsync(key));
            _dials.Add(key, dial);
        }

        Track(dial.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default));
        return dial;
    }

    private async Task<PeerConnection> DialAsync((PeerId Peer, bool IsDirect) key)
    {
        try
        {
            NoiseChannel channel = await Dialer.DialAsync(
                key.Peer, _store.GetAddresses(key.Peer).Where(address => !key.IsDirect || !address.IsRelayed), isExplicit: false, _stopping.Token);
            return await AddAsync(channel, isOutbound: true, channel.Connection.RemoteAddress);
        }
        finally
        {
            lock (_dials)
            {
                _dials.Remove(key);
            }
        }
    }

    private async Task<PeerConnection> AddAsync(NoiseChannel channel, bool isOutbound, Multiaddr? dialled)
    {
        PeerConnection connection = new(channel, isOutbound, _handlers, _context);
        if (_stopping.IsCancellationRequested || !Connections.TryAdd(connection, out bool isFirst))
        {
            connection.Session.Start();
            await connection.DisposeAsync();
            throw new Libp2pException(Libp2pErrorCode.ResourceLimit, $"Too many connections to take another one to {channel.RemotePeer}.");
        }

        _store.MarkSeen(connection.RemotePeer, dialled, WorkingAddressTimeToLive);
        connection.Session.Start();
        connection.Session.KeepAlive();
        Log.Opened(_context.Logger, connection.RemotePeer, connection.RemoteAddress, isOutbound);
        Opened?.Invoke(connection, isFirst);
        Track(RunAsync(connection));
        return connection;
    }

    private async Task RunAsync(PeerConnection connection)
    {
        await connection.Session.Completion;
        if (Connections.Remove(connection, out bool isLast))
        {
            _store.MarkSeen(connection.RemotePeer, workingAddress: null, WorkingAddressTimeToLive);
            if (connection.Session.Error is { Code: Libp2pErrorCode.InternalError } fault)
            {
                Log.SessionFailed(_context.Logger, fault);
            }

            Log.Closed(_context.Logger, connection.RemotePeer, connection.Session.Error?.Message ?? "");
            Closed?.Invoke(connection, isLast);
        }

        await connection.DisposeAsync();
    }

    private async Task MaintainAsync()
    {
        using PeriodicTimer timer = new(MaintenanceInterval, _context.Time);
        int ticks = 0, keepAliveTicks = Math.Max(1, (int)(_context.Limits.PingInterval / MaintenanceInterval));
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                bool keepAlive = ++ticks % keepAliveTicks == 0;
                foreach (PeerConnection connection in Connections.All)
                {
                    connection.Sweep();
                    if (keepAlive)
                    {
                        connection.Session.KeepAlive();
                    }
                }

                foreach (PeerConnection excess in Connections.ChooseExcess().Union(Connections.ChooseReplaced()))
                {
                    Track(excess.DisposeAsync().AsTask());
                }

                _gate.Sweep();
                Dialer.Backoff.Sweep();
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private void Track(Task task)
    {
        _tasks.TryAdd(task, 0);
        task.ContinueWith(
            static (done, state) =>
            {
                PeerSwarm swarm = (PeerSwarm)state!;
                swarm._tasks.TryRemove(done, out _);
                if (done.Exception is { } exception)
                {
                    Log.TaskFailed(swarm._context.Logger, exception);
                }
            },
            this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static partial class Log
    {
        [LoggerMessage(3121, LogLevel.Debug, "Connected to {Peer} at {Address} (outbound: {IsOutbound})")]
        public static partial void Opened(ILogger logger, PeerId peer, Multiaddr address, bool isOutbound);

        [LoggerMessage(3122, LogLevel.Debug, "Disconnected from {Peer}: {Reason}")]
        public static partial void Closed(ILogger logger, PeerId peer, string reason);

        [LoggerMessage(3123, LogLevel.Debug, "Inbound connection of {Address} failed: {Reason}")]
        public static partial void InboundFailed(ILogger logger, IPAddress address, string reason);

        [LoggerMessage(3124, LogLevel.Warning, "Accepting connections failed: {Reason}")]
        public static partial void AcceptFailed(ILogger logger, string reason);

        [LoggerMessage(3125, LogLevel.Error, "A session failed by a fault of ours")]
        public static partial void SessionFailed(ILogger logger, Exception exception);

        [LoggerMessage(3126, LogLevel.Error, "A task of the swarm failed")]
        public static partial void TaskFailed(ILogger logger, Exception exception);
    }
}
