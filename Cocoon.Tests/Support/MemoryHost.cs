using System.Collections.Concurrent;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Tests.Support;

/// <summary>A host of a <see cref="MemoryNetwork"/>: the whole <see cref="ILibp2pHost"/> contract without sockets.</summary>
internal sealed class MemoryHost : ILibp2pHost, IAsyncDisposable
{
    private readonly MemoryNetwork _network;
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, MemoryConnection> _connections = [];
    private readonly ConcurrentDictionary<PeerId, List<Multiaddr>> _addresses = new();
    private readonly ConcurrentDictionary<string, Func<IPeerStream, CancellationToken, Task>> _handlers = new();
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private readonly CancellationTokenSource _stopping = new();

    internal MemoryHost(MemoryNetwork network, Ed25519PrivateKey key, Multiaddr address)
    {
        _network = network;
        Key = key;
        LocalPeer = PeerId.FromPublicKey(key.PublicKey);
        Address = address;
    }

    public event Action<PeerEvent>? PeerChanged;

    public Ed25519PrivateKey Key { get; }

    public PeerId LocalPeer { get; }

    public Multiaddr Address { get; }

    /// <summary>Whether others can dial it; connections it opened itself work either way.</summary>
    public bool IsDialable { get; set; } = true;

    /// <summary>Who is protected from trimming, which this host never does, and why.</summary>
    public ConcurrentDictionary<(PeerId Peer, string Reason), bool> Protected { get; } = new();

    /// <summary>Exceptions of handlers, for tests to look at.</summary>
    public ConcurrentQueue<Exception> HandlerFailures { get; } = new();

    public IReadOnlyList<Multiaddr> Addresses => [Address];

    public IReadOnlyList<string> Protocols => [.. _handlers.Keys];

    public IReadOnlyList<PeerConnectionInfo> Connections
    {
        get
        {
            lock (_lock)
            {
                return [.. _connections.Values.Select(Describe)];
            }
        }
    }

    public void Handle(string protocol, Func<IPeerStream, CancellationToken, Task> handler)
    {
        _handlers[protocol] = handler;
        Push();
    }

    public void Unhandle(string protocol)
    {
        if (_handlers.TryRemove(protocol, out _))
        {
            Push();
        }
    }

    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses, TimeSpan timeToLive)
    {
        List<Multiaddr> known = _addresses.GetOrAdd(peer, _ => []);
        lock (known)
        {
            known.AddRange(addresses.Select(address => address.WithoutPeer()).Where(address => !known.Contains(address)).ToList());
        }
    }

    public IReadOnlyList<Multiaddr> GetAddresses(PeerId peer)
    {
        if (!_addresses.TryGetValue(peer, out List<Multiaddr>? known))
        {
            return [];
        }

        lock (known)
        {
            return [.. known];
        }
    }

    public async ValueTask ConnectAsync(PeerId peer, CancellationToken cancellationToken) => await GetConnectionAsync(peer, cancellationToken);

    public async ValueTask<IPeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        MemoryConnection connection = await GetConnectionAsync(peer, cancellationToken);
        MemoryHost remote = connection.Other(this);
        string protocol = protocols.FirstOrDefault(remote._handlers.ContainsKey)
            ?? throw new Libp2pException(Libp2pErrorCode.ProtocolNotSupported, $"{peer} speaks none of {string.Join(", ", protocols)}.");
        (MemoryPeerStream opener, MemoryPeerStream acceptor) = connection.Open(this, protocol, _network.Time);
        remote.Serve(acceptor);
        return opener;
    }

    public void Protect(PeerId peer, string reason) => Protected[(peer, reason)] = true;

    public void Unprotect(PeerId peer, string reason) => Protected.TryRemove((peer, reason), out _);

    public ValueTask DisconnectAsync(PeerId peer)
    {
        MemoryConnection? connection;
        lock (_lock)
        {
            _connections.TryGetValue(peer, out connection);
        }

        if (connection is not null)
        {
            connection.Break();
            Forget(connection);
            connection.Other(this).Forget(connection);
        }

        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _network.Remove(this);
        await _stopping.CancelAsync();
        foreach (PeerConnectionInfo connection in Connections)
        {
            await DisconnectAsync(connection.Peer);
        }

        await Task.WhenAll(_running.Keys);
    }

    private async ValueTask<MemoryConnection> GetConnectionAsync(PeerId peer, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
        lock (_lock)
        {
            if (_connections.TryGetValue(peer, out MemoryConnection? connection))
            {
                return connection;
            }
        }

        MemoryHost? remote = peer == LocalPeer ? null : GetAddresses(peer).Select(_network.Find).FirstOrDefault(host => host is { IsDialable: true } && host.LocalPeer == peer);
        if (remote is null)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address of {peer} answered.");
        }

        TimeSpan latency = _network.Latency(LocalPeer, peer);
        if (latency > TimeSpan.Zero)
        {
            // TCP, Noise, and identify: three round trips.
            await Task.Delay(6 * latency, _network.Time, cancellationToken);
        }

        return Join(remote, latency);
    }

    private MemoryConnection Join(MemoryHost remote, TimeSpan latency)
    {
        MemoryConnection connection = new(this, remote, latency, _network.Time.GetUtcNow());
        (MemoryHost first, MemoryHost second) = LocalPeer < remote.LocalPeer ? (this, remote) : (remote, this);
        lock (first._lock)
        {
            lock (second._lock)
            {
                if (_connections.TryGetValue(remote.LocalPeer, out MemoryConnection? existing))
                {
                    return existing;
                }

                if (remote._stopping.IsCancellationRequested)
                {
                    throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address of {remote.LocalPeer} answered.");
                }

                _connections.Add(remote.LocalPeer, connection);
                remote._connections.Add(LocalPeer, connection);
            }
        }

        remote.AddAddresses(LocalPeer, Addresses, TimeSpan.FromMinutes(10));
        PeerChanged?.Invoke(new PeerEvent.Connected(remote.LocalPeer, IsOutbound: true));
        remote.PeerChanged?.Invoke(new PeerEvent.Connected(LocalPeer, IsOutbound: false));
        PeerChanged?.Invoke(new PeerEvent.Identified(remote.LocalPeer, remote.Protocols));
        remote.PeerChanged?.Invoke(new PeerEvent.Identified(LocalPeer, Protocols));
        return connection;
    }

    private void Serve(MemoryPeerStream stream)
    {
        if (!_handlers.TryGetValue(stream.Protocol, out Func<IPeerStream, CancellationToken, Task>? handler))
        {
            stream.Reset();
            return;
        }

        Task task = RunAsync(handler, stream);
        _running.TryAdd(task, 0);
        task.ContinueWith(done => _running.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Off the opener's stack, but on its synchronization context where there is one, so that a <see cref="VirtualLoop"/> sees the work.</summary>
    private async Task RunAsync(Func<IPeerStream, CancellationToken, Task> handler, MemoryPeerStream stream)
    {
        await Task.Yield();
        try
        {
            await handler(stream, _stopping.Token);
            await stream.DisposeAsync();
        }
        catch (Exception exception)
        {
            stream.Reset();
            if (exception is not OperationCanceledException)
            {
                HandlerFailures.Enqueue(exception);
            }
        }
    }

    private void Forget(MemoryConnection connection)
    {
        PeerId remote = connection.Other(this).LocalPeer;
        bool removed;
        lock (_lock)
        {
            removed = _connections.TryGetValue(remote, out MemoryConnection? current) && current == connection && _connections.Remove(remote);
        }

        if (removed)
        {
            PeerChanged?.Invoke(new PeerEvent.Disconnected(remote));
        }
    }

    /// <summary>What identify/push does: tells connected peers that the protocols changed.</summary>
    private void Push()
    {
        List<MemoryHost> others;
        lock (_lock)
        {
            others = [.. _connections.Values.Select(connection => connection.Other(this))];
        }

        others.ForEach(other => other.PeerChanged?.Invoke(new PeerEvent.Identified(LocalPeer, Protocols)));
    }

    private PeerConnectionInfo Describe(MemoryConnection connection)
    {
        MemoryHost other = connection.Other(this);
        (int streams, long bytes) = connection.Measure();
        return new PeerConnectionInfo(
            other.LocalPeer, other.Address, connection.Dialer == this, IsRelayed: false, connection.OpenedAt, "cocoon/memory",
            other.Protocols, 2 * connection.Latency, streams, bytes, bytes);
    }
}
