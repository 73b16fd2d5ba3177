using System.Collections.Concurrent;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using IdentifyMessage = Cocoon.Protocol.Libp2p.Protocols.Identify.Proto.Identify;

namespace Cocoon.Protocol.Libp2p.Protocols.Identify;

/// <summary>Tells remotes who we are, asks who they are, and pushes changes.</summary>
internal sealed partial class IdentifyService : IAsyncDisposable
{
    public const string ProtocolVersion = "ipfs/0.1.0";

    private static readonly TimeSpan PushDelay = TimeSpan.FromSeconds(1);

    /// <summary>Addresses a peer told of itself. go-libp2p: an hour after the connection.</summary>
    private static readonly TimeSpan AddressTimeToLive = TimeSpan.FromHours(1);

    private readonly Ed25519PrivateKey _key;
    private readonly string _agentVersion;
    private readonly Func<IReadOnlyList<Multiaddr>> _addresses;
    private readonly StreamHandlers _handlers;
    private readonly PeerSwarm _swarm;
    private readonly PeerStore _store;
    private readonly ConnectionContext _context;
    private readonly byte[] _publicKey;
    private readonly ConcurrentDictionary<Task, byte> _tasks = new();
    private readonly ConcurrentDictionary<PeerConnection, (long Since, int Count)> _pushes = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ITimer _pushTimer;
    private long _sequence;

    public IdentifyService(
        Ed25519PrivateKey key, string agentVersion, Func<IReadOnlyList<Multiaddr>> addresses,
        StreamHandlers handlers, PeerSwarm swarm, PeerStore store, ConnectionContext context)
    {
        _key = key;
        _agentVersion = agentVersion;
        _addresses = addresses;
        _handlers = handlers;
        _swarm = swarm;
        _store = store;
        _context = context;
        _publicKey = PublicKeyProtobuf.Encode(key.PublicKey);
        _pushTimer = context.Time.CreateTimer(_ => Track(PushAllAsync()), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        handlers.Set(IdentifyProtocol.Id, RespondAsync);
        handlers.Set(IdentifyProtocol.PushId, ReceivePushAsync);
    }

    /// <summary>A connection's peer told, or changed, its protocols.</summary>
    public event Action<PeerConnection>? Identified;

    /// <summary>Asks the remote of a new connection.</summary>
    public void Start(PeerConnection connection) => Track(AskAsync(connection));

    /// <summary>Protocols or addresses changed: tells everybody, a moment later so that changes in a row make one push.</summary>
    public void QueuePush()
    {
        if (!_stopping.IsCancellationRequested)
        {
            _pushTimer.Change(PushDelay, Timeout.InfiniteTimeSpan);
        }
    }

    public void Forget(PeerConnection connection) => _pushes.TryRemove(connection, out _);

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _pushTimer.DisposeAsync();
        await Task.WhenAll(_tasks.Keys);
        _stopping.Dispose();
    }

    private IdentifyMessage CreateMessage(Multiaddr? observed)
    {
        IReadOnlyList<Multiaddr> addresses = _addresses();
        IdentifyMessage message = new()
        {
            PublicKey = UnsafeByteOperations.UnsafeWrap(_publicKey),
            AgentVersion = _agentVersion,
            ProtocolVersion = ProtocolVersion,
            SignedPeerRecord = UnsafeByteOperations.UnsafeWrap(PeerRecord.Seal(_key, NextSequence(), addresses)),
        };
        message.ListenAddrs.AddRange(addresses.Select(address => ByteString.CopyFrom(address.Bytes)));
        message.Protocols.AddRange(_handlers.Protocols);
        if (observed is not null)
        {
            message.ObservedAddr = ByteString.CopyFrom(observed.Bytes);
        }

        return message;
    }

    /// <summary>Through a relay the remote's own address is not seen.</summary>
    private static Multiaddr? Observed(PeerConnection connection) => connection.IsRelayed ? null : connection.RemoteAddress;

    /// <summary>Unix milliseconds at first, then strictly rising.</summary>
    private ulong NextSequence()
    {
        while (true)
        {
            long last = Interlocked.Read(ref _sequence);
            long next = Math.Max(last + 1, _context.Time.GetUtcNow().ToUnixTimeMilliseconds());
            if (Interlocked.CompareExchange(ref _sequence, next, last) == last)
            {
                return (ulong)next;
            }
        }
    }

    private async Task RespondAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        await IdentifyProtocol.WriteAsync(stream, CreateMessage(Observed(((PeerStream)stream).Connection)), cancellationToken);
    }

    private async Task AskAsync(PeerConnection connection)
    {
        using CancellationTokenSource timeout = new(_context.Limits.IdentifyTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, connection.Session.Ended, _stopping.Token);
        try
        {
            await using PeerStream stream = await connection.OpenStreamAsync([IdentifyProtocol.Id], optimistic: true, stop.Token);
            await stream.CloseWriteAsync(stop.Token);
            Take(connection, await IdentifyProtocol.ReadAsync(stream, stop.Token));
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            Log.IdentifyFailed(_context.Logger, connection.RemotePeer, exception.Message);
        }
    }

    private async Task ReceivePushAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        PeerConnection connection = ((PeerStream)stream).Connection;
        if (!CountPush(connection))
        {
            throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "Too many identify pushes.");
        }

        using CancellationTokenSource timeout = new(_context.Limits.IdentifyTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        Take(connection, await IdentifyProtocol.ReadAsync(stream, stop.Token));
    }

    private bool CountPush(PeerConnection connection)
    {
        long now = _context.Time.GetTimestamp();
        (long _, int count) = _pushes.AddOrUpdate(
            connection,
            _ => (now, 1),
            (_, old) => _context.Time.GetElapsedTime(old.Since, now) >= TimeSpan.FromMinutes(1) ? (now, 1) : (old.Since, old.Count + 1));
        if (connection.Session.Ended.IsCancellationRequested)
        {
            // It may be forgotten already, and nobody would do it again.
            _pushes.TryRemove(connection, out _);
        }

        return count <= _context.Limits.PushesPerMinute;
    }

    private void Take(PeerConnection connection, IdentifyMessage message)
    {
        RemoteIdentity identity = IdentifyProtocol.Apply(message, connection.Identity, connection.RemotePeer, _context.Limits.ProtocolsPerPeer);
        // A signed record replaces what is known; without one the plain list is a hint.
        if (!(message.HasSignedPeerRecord && TakeRecord(connection, message.SignedPeerRecord.Span)))
        {
            _store.AddAddresses(connection.RemotePeer, Usable(IdentifyProtocol.ReadAddresses(message.ListenAddrs)), AddressTimeToLive);
        }

        if (message.HasObservedAddr && Multiaddr.TryFromBytes(message.ObservedAddr.Span, out Multiaddr? observed))
        {
            connection.ObservedAddress = observed.WithoutPeer();
        }

        connection.Identity = identity;
        Identified?.Invoke(connection);
    }

    private bool TakeRecord(PeerConnection connection, ReadOnlySpan<byte> envelope)
    {
        if (!PeerRecord.TryOpen(envelope, out PeerRecord? record)
            || record.Peer != connection.RemotePeer
            || !_store.TryApplyRecord(record with { Addresses = [.. Usable(record.Addresses)] }, AddressTimeToLive))
        {
            return false;
        }

        _swarm.Dialer.Renew(record.Peer, record.Addresses);
        return true;
    }

    private IEnumerable<Multiaddr> Usable(IEnumerable<Multiaddr> addresses) => addresses.Where(_swarm.Dialer.IsAllowed);

    private async Task PushAllAsync()
    {
        IEnumerable<PeerConnection> targets = _swarm.Connections.All
            .Where(connection => connection.Identity?.Protocols.Contains(IdentifyProtocol.PushId) == true);
        ParallelOptions options = new() { MaxDegreeOfParallelism = _context.Limits.ParallelPushes, CancellationToken = _stopping.Token };
        try
        {
            await Parallel.ForEachAsync(targets, options, PushAsync);
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async ValueTask PushAsync(PeerConnection connection, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_context.Limits.IdentifyTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await using PeerStream stream = await connection.OpenStreamAsync([IdentifyProtocol.PushId], optimistic: true, stop.Token);
            await IdentifyProtocol.WriteAsync(stream, CreateMessage(Observed(connection)), stop.Token);
            // The end of the remote's side says that it has read everything.
            await stream.ReadAsync(new byte[1], stop.Token);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            Log.PushFailed(_context.Logger, connection.RemotePeer, exception.Message);
        }
    }

    private void Track(Task task)
    {
        _tasks.TryAdd(task, 0);
        task.ContinueWith(
            static (done, state) => ((ConcurrentDictionary<Task, byte>)state!).TryRemove(done, out _),
            _tasks, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static partial class Log
    {
        [LoggerMessage(3141, LogLevel.Debug, "Identify with {Peer} failed: {Reason}")]
        public static partial void IdentifyFailed(ILogger logger, PeerId peer, string reason);

        [LoggerMessage(3142, LogLevel.Debug, "Identify push to {Peer} failed: {Reason}")]
        public static partial void PushFailed(ILogger logger, PeerId peer, string reason);
    }
}
