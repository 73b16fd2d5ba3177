using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Simulation;

/// <summary>The whole <see cref="ILibp2pHost"/> contract on a <see cref="SimNetwork"/>: dials that take their round trips, limits, trimming, sudden death.</summary>
/// <remarks>On the loop's thread only.</remarks>
internal sealed class SimHost : ILibp2pHost
{
    public const string Agent = "cocoon/simulated";

    private const int MaxKnownPeers = 4096;

    /// <summary>How long a dial of a machine that is gone takes to fail.</summary>
    private const long DialTimeout = 10_000;

    private readonly SimNetwork _network;
    private readonly Libp2pLimits _limits;
    private readonly DialBackoff _backoff;
    private readonly Dictionary<PeerId, SimConnection> _connections = [];
    private readonly Dictionary<PeerId, Task<SimConnection>> _dials = [];
    private readonly Dictionary<PeerId, IReadOnlyList<Multiaddr>> _addresses = [];
    private readonly Queue<PeerId> _known = new();
    private readonly HashSet<(PeerId Peer, string Reason)> _protected = [];
    private readonly Dictionary<string, Func<IPeerStream, CancellationToken, Task>> _handlers = [];
    private PeerConnectionInfo[]? _described;
    private string[]? _protocols;
    private bool _trimming;

    public SimHost(SimNetwork network, PeerId peer, Multiaddr address, SimClock clock, Libp2pLimits limits, bool isDialable)
    {
        _network = network;
        _limits = limits;
        _backoff = new DialBackoff(limits, clock);
        Clock = clock;
        LocalPeer = peer;
        Addresses = [address];
        IsDialable = isDialable;
    }

    public event Action<PeerEvent>? PeerChanged;

    public SimClock Clock { get; }

    public PeerId LocalPeer { get; }

    public IReadOnlyList<Multiaddr> Addresses { get; }

    /// <summary>Whether others can dial it; behind a NAT it only dials.</summary>
    public bool IsDialable { get; }

    public bool IsDead { get; private set; }

    /// <summary>Whether the machine is gone, not only the process: others notice by silence.</summary>
    public bool IsGone { get; private set; }

    public SimTraffic Traffic { get; } = new();

    public IReadOnlyList<PeerConnectionInfo> Connections => _described ??= [.. _connections.Values.Select(connection => connection.SeenBy(this))];

    public int ConnectionCount => _connections.Count;

    public IReadOnlyList<string> Protocols => _protocols ??= [.. _handlers.Keys];

    public void Handle(string protocol, Func<IPeerStream, CancellationToken, Task> handler)
    {
        _handlers[protocol] = handler;
        Push();
    }

    public void Unhandle(string protocol)
    {
        if (_handlers.Remove(protocol))
        {
            Push();
        }
    }

    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses, TimeSpan timeToLive)
    {
        if (peer == LocalPeer || _addresses.ContainsKey(peer) || addresses.FirstOrDefault() is not { } address)
        {
            return;
        }

        // One address a node: the network's own list is shared instead of copied.
        _addresses.Add(peer, _network.AddressesOf(peer) ?? [address.WithoutPeer()]);
        _known.Enqueue(peer);
        if (_known.Count > MaxKnownPeers)
        {
            _addresses.Remove(_known.Dequeue());
        }
    }

    public IReadOnlyList<Multiaddr> GetAddresses(PeerId peer) => _addresses.GetValueOrDefault(peer, []);

    public async ValueTask ConnectAsync(PeerId peer, CancellationToken cancellationToken) => await GetConnectionAsync(peer, cancellationToken);

    public async ValueTask<IPeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        SimConnection connection = _connections.TryGetValue(peer, out SimConnection? open) ? open : await GetConnectionAsync(peer, cancellationToken);
        SimHost remote = connection.Other(this);
        string protocol = protocols.FirstOrDefault(remote._handlers.ContainsKey)
            ?? throw new Libp2pException(Libp2pErrorCode.ProtocolNotSupported, $"{peer} speaks none of {string.Join(", ", protocols)}.");
        return connection.Open(this, protocol);
    }

    public ValueTask DisconnectAsync(PeerId peer)
    {
        if (_connections.TryGetValue(peer, out SimConnection? connection))
        {
            connection.Close(this);
        }

        return ValueTask.CompletedTask;
    }

    public void Protect(PeerId peer, string reason) => _protected.Add((peer, reason));

    public void Unprotect(PeerId peer, string reason) => _protected.Remove((peer, reason));

    /// <summary>The process ends without a word.</summary>
    /// <param name="gone">The machine too: nothing answers, and others find out by their keep-alive.</param>
    public void Kill(bool gone)
    {
        IsDead = true;
        IsGone = gone;
        Clock.Stop();
        _network.Remove(this);
        foreach (SimConnection connection in _connections.Values.ToArray())
        {
            connection.Close(this, gone ? _network.KeepAliveNotice() : null);
        }
    }

    public void Serve(SimStream stream)
    {
        if (IsDead)
        {
            return;
        }

        if (!_handlers.TryGetValue(stream.Protocol, out Func<IPeerStream, CancellationToken, Task>? handler))
        {
            stream.Reset();
            return;
        }

        _network.Watch(RunAsync(handler, stream));
    }

    public void Forget(SimConnection connection)
    {
        PeerId peer = connection.Other(this).LocalPeer;
        if (_connections.TryGetValue(peer, out SimConnection? current) && current == connection)
        {
            _connections.Remove(peer);
            _described = null;
            Raise(new PeerEvent.Disconnected(peer));
        }
    }

    private static async Task RunAsync(Func<IPeerStream, CancellationToken, Task> handler, SimStream stream)
    {
        try
        {
            await handler(stream, CancellationToken.None);
            await stream.CloseWriteAsync(CancellationToken.None);
            await stream.DisposeAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            stream.Reset();
        }
    }

    private async Task<SimConnection> GetConnectionAsync(PeerId peer, CancellationToken cancellationToken)
    {
        if (_connections.TryGetValue(peer, out SimConnection? connection))
        {
            return connection;
        }

        if (!_dials.TryGetValue(peer, out Task<SimConnection>? dial))
        {
            dial = DialAsync(peer);
            if (!dial.IsCompleted)
            {
                _dials.Add(peer, dial);
            }
        }

        return await dial.WaitAsync(cancellationToken);
    }

    private async Task<SimConnection> DialAsync(PeerId peer)
    {
        Multiaddr? address = GetAddresses(peer) is [Multiaddr first, ..] ? first : null;
        if (IsDead || peer == LocalPeer || address is null || _backoff.WaitFor(address) > TimeSpan.Zero)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address to dial is known of {peer}, or it failed a moment ago.");
        }

        try
        {
            SimHost? remote = _network.Find(peer);
            long latency = _network.Latency(this, remote, address);
            bool answers = remote is { IsDialable: true };
            await Task.Delay(TimeSpan.FromMilliseconds(answers ? 6 * latency : _network.IsSilent(peer) ? DialTimeout : 2 * latency), Clock);
            if (remote is null || !answers || remote.IsDead || !remote.Accepts() || _connections.Count >= _limits.ConnectionsHard)
            {
                _backoff.Fail(address);
                Traffic.FailedDials++;
                throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address of {peer} answered.");
            }

            _backoff.Succeed(address);
            Traffic.Dials++;
            return Join(remote, latency);
        }
        finally
        {
            _dials.Remove(peer);
        }
    }

    private bool Accepts() => _connections.Count < _limits.ConnectionsHard;

    private SimConnection Join(SimHost remote, long latency)
    {
        if (_connections.TryGetValue(remote.LocalPeer, out SimConnection? existing))
        {
            return existing;
        }

        SimConnection connection = new(this, remote, latency, _network.Loop);
        Add(connection, remote);
        remote.Add(connection, this);
        Traffic.Connected(SimConnection.SetupBytes);
        remote.Traffic.Connected(SimConnection.SetupBytes);
        Announce(remote, isOutbound: true);
        remote.Announce(this, isOutbound: false);
        return connection;
    }

    private void Add(SimConnection connection, SimHost other)
    {
        _connections.Add(other.LocalPeer, connection);
        _described = null;
        AddAddresses(other.LocalPeer, other.Addresses, TimeSpan.FromHours(1));
        ScheduleTrim(1000);
    }

    private void Announce(SimHost other, bool isOutbound)
    {
        Raise(new PeerEvent.Connected(other.LocalPeer, isOutbound));
        Raise(new PeerEvent.Identified(other.LocalPeer, other.Protocols));
    }

    private void Raise(PeerEvent change)
    {
        if (!IsDead)
        {
            PeerChanged?.Invoke(change);
        }
    }

    private void ScheduleTrim(long delay)
    {
        if (!_trimming && _connections.Count > _limits.ConnectionsHigh)
        {
            _trimming = true;
            _network.Loop.Schedule(Trim, delay);
        }
    }

    /// <summary>As the connection table of the real host: fewest streams first, inbound before outbound, the youngest first.</summary>
    private void Trim()
    {
        _trimming = false;
        if (IsDead || _connections.Count <= _limits.ConnectionsHigh)
        {
            return;
        }

        long oldEnough = _network.Loop.Now - (long)_limits.ConnectionGrace.TotalMilliseconds;
        HashSet<PeerId> kept = [.. _protected.Select(item => item.Peer)];
        SimConnection[] excess =
        [
            .. _connections.Values
                .Where(connection => connection.OpenedAt <= oldEnough && !kept.Contains(connection.Other(this).LocalPeer))
                .OrderBy(connection => connection.StreamCount)
                .ThenBy(connection => connection.Dialer == this)
                .ThenByDescending(connection => connection.OpenedAt)
                .Take(_connections.Count - _limits.ConnectionsLow),
        ];
        Array.ForEach(excess, connection => connection.Close(this));
        ScheduleTrim(5000);
    }

    private void Push()
    {
        _protocols = null;
        foreach (SimConnection connection in _connections.Values.ToArray())
        {
            SimHost other = connection.Other(this);
            _network.Loop.Schedule(() => other.OnPush(this), connection.Latency);
        }
    }

    private void OnPush(SimHost other)
    {
        if (_connections.TryGetValue(other.LocalPeer, out SimConnection? connection))
        {
            connection.Changed(this);
            _described = null;
            Raise(new PeerEvent.Identified(other.LocalPeer, other.Protocols));
        }
    }
}
