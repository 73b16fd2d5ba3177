using System.Net;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The two one-way streams of each peer: one that we open and write, one that it opens and we read.</summary>
/// <remarks>
/// A peer whose stream of ours dies would hear nothing any more, so it is opened again with a growing pause. Peers that are
/// connected through a relay only are left out: a relay's data limit is not for gossip. Once there are enough peers for a mesh,
/// further connections get streams when they have lasted a while, when their peer opens one, or when they are wanted.
/// </remarks>
internal sealed partial class GossipPeerSessions(
    ILibp2pHost host, GossipsubCore core, ValidationPipeline validation, GossipsubOptions options, TimeProvider time, TaskGroup tasks, ILogger logger)
    : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<PeerId, Session> _sessions = [];
    private readonly CancellationTokenSource _stopping = new();

    public void Start()
    {
        host.PeerChanged += OnPeerChanged;
        foreach (string protocol in GossipsubProtocol.All)
        {
            host.Handle(protocol, ServeAsync);
        }

        Reconcile();
    }

    public async ValueTask StopAsync()
    {
        host.PeerChanged -= OnPeerChanged;
        foreach (string protocol in GossipsubProtocol.All)
        {
            host.Unhandle(protocol);
        }

        await _stopping.CancelAsync();
    }

    /// <summary>After the tasks have ended.</summary>
    public void Dispose() => _stopping.Dispose();

    /// <summary>Makes the sessions fit the connections, for events may cross each other; called now and then.</summary>
    public void Reconcile()
    {
        Dictionary<PeerId, PeerConnectionInfo> direct = [];
        foreach (PeerConnectionInfo connection in host.Connections)
        {
            if (!connection.IsRelayed)
            {
                direct.TryAdd(connection.Peer, connection);
            }
        }

        List<PeerId> gone;
        lock (_gate)
        {
            gone = [.. _sessions.Keys.Where(peer => !direct.ContainsKey(peer))];
        }

        gone.ForEach(Close);
        DateTimeOffset old = time.GetUtcNow() - options.OpenDelay;
        foreach (PeerConnectionInfo connection in direct.Values)
        {
            if ((connection.OpenedAt <= old || core.WantsPeers()) && connection.Protocols.Intersect(GossipsubProtocol.All).Any())
            {
                Open(connection.Peer, connection);
            }
        }
    }

    /// <summary>Opens streams to a connected peer now.</summary>
    public void Attend(PeerId peer)
    {
        if (FindDirect(peer) is { } connection && connection.Protocols.Intersect(GossipsubProtocol.All).Any())
        {
            Open(peer, connection);
        }
    }

    /// <summary>Resets streams to peers that take no bytes, and of peers that do not end what they began to send.</summary>
    public void ResetStalled()
    {
        lock (_gate)
        {
            foreach (Session session in _sessions.Values)
            {
                if (session.Writing.IsOver(options.WriteTimeout))
                {
                    session.Outbound?.Reset();
                }

                if (session.Inbound is { } inbound && inbound.Reading.IsOver(options.ReadTimeout))
                {
                    inbound.Reading.End();
                    inbound.Stream.Reset();
                    core.Violation(session.Peer, 1);
                    Log.InboundStalled(logger, session.Peer.Peer);
                }
            }
        }
    }

    private void OnPeerChanged(PeerEvent change)
    {
        switch (change)
        {
            case PeerEvent.Identified identified when core.WantsPeers() && identified.Protocols.Intersect(GossipsubProtocol.All).Any():
                Open(identified.Peer, FindDirect(identified.Peer));
                break;
            case PeerEvent.Disconnected disconnected:
                Close(disconnected.Peer);
                break;
            default:
                break;
        }
    }

    private PeerConnectionInfo? FindDirect(PeerId peer) =>
        host.Connections.FirstOrDefault(connection => connection.Peer == peer && !connection.IsRelayed);

    private Session? Open(PeerId peer, PeerConnectionInfo? connection)
    {
        if (connection is null)
        {
            return null;
        }

        lock (_gate)
        {
            if (_sessions.TryGetValue(peer, out Session? known))
            {
                return known;
            }

            if (_stopping.IsCancellationRequested || core.Attach(peer, connection.IsOutbound, ScoredAddress(connection)) is not { } attached)
            {
                return null;
            }

            Session session = new(attached, new StallTimer(time), CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token));
            _sessions.Add(peer, session);
            tasks.Run(() => RunAsync(session));
            return session;
        }
    }

    private void Close(PeerId peer)
    {
        Session? session;
        lock (_gate)
        {
            if (!_sessions.Remove(peer, out session))
            {
                return;
            }

            core.Detach(peer);
        }

        session.Stop();
    }

    /// <summary>What P6 counts peers by; <c>null</c> on loopback, where all share one address honestly.</summary>
    private static string? ScoredAddress(PeerConnectionInfo connection)
    {
        if (connection.RemoteAddress.IpAddress is not { } ip || IpScopes.Of(ip) == IpScope.Loopback)
        {
            return null;
        }

        byte[] bytes = ip.GetAddressBytes();
        return bytes.Length == 4 ? ip.ToString() : new IPAddress([.. bytes[..8], .. new byte[8]]).ToString();
    }

    private async Task RunAsync(Session session)
    {
        CancellationToken cancellationToken = session.Stopping.Token;
        TimeSpan pause = options.ReopenBackoff;
        try
        {
            while (true)
            {
                long opened = time.GetTimestamp();
                await RunStreamAsync(session, cancellationToken);
                pause = time.GetElapsedTime(opened) > options.MaxReopenBackoff ? options.ReopenBackoff : pause;
                await Task.Delay(pause, time, cancellationToken);
                pause = 2 * pause < options.MaxReopenBackoff ? 2 * pause : options.MaxReopenBackoff;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        finally
        {
            session.Stopping.Dispose();
        }
    }

    private async Task RunStreamAsync(Session session, CancellationToken cancellationToken)
    {
        IPeerStream? stream = null;
        try
        {
            stream = await OpenAsync(session.Peer.Peer, cancellationToken);
            session.Outbound = stream;
            core.OutboundOpened(session.Peer, stream.Protocol);
            using CancellationTokenSource dead = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task watch = WatchAsync(stream, dead);
            try
            {
                await WriteAsync(session, stream, dead.Token);
            }
            finally
            {
                dead.Cancel();
                await watch;
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.OutboundFailed(logger, session.Peer.Peer, exception.Message);
        }
        finally
        {
            session.Writing.End();
            session.Outbound = null;
            core.OutboundClosed(session.Peer);
            if (stream is not null)
            {
                await stream.DisposeAsync();
            }
        }
    }

    private async ValueTask<IPeerStream> OpenAsync(PeerId peer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(options.OpenTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        return await host.OpenStreamAsync(peer, GossipsubProtocol.All, either.Token);
    }

    private async Task WriteAsync(Session session, IPeerStream stream, CancellationToken cancellationToken)
    {
        using PooledBufferWriter rpc = new();
        while (true)
        {
            while (session.Peer.Queue.TryDrain(rpc, options.MaxSentRpcBytes))
            {
                session.Writing.Begin();
                await LengthPrefixed.WriteAsync(stream, rpc.WrittenMemory, cancellationToken);
                session.Writing.End();
                core.CountSent(rpc.WrittenCount);
                rpc.Clear();
            }

            rpc.Release();
            await session.Peer.Queue.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Nothing comes on our stream; its reset shows here even while we have nothing to write.</summary>
    private static async Task WatchAsync(IPeerStream stream, CancellationTokenSource dead)
    {
        byte[] one = new byte[1];
        try
        {
            if (await stream.ReadAsync(one, dead.Token) == 0)
            {
                // A half-close of the unused direction is harmless.
                return;
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
        {
        }

        dead.Cancel();
    }

    private async Task ServeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        Session? session = Open(stream.RemotePeer, FindDirect(stream.RemotePeer));
        if (session is null)
        {
            stream.Reset();
            return;
        }

        GossipPeer peer = session.Peer;
        StallTimer reading = new(time);
        Action began = reading.Begin;
        session.Inbound = new InboundStream(stream, reading);
        core.InboundOpened(peer, stream)?.Reset();
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        try
        {
            while (await LengthPrefixed.ReadAsync(stream, options.MaxRpcBytes, began, either.Token) is { } frame)
            {
                reading.End();
                if (!core.IsGraylisted(peer))
                {
                    validation.Enqueue(core.OnRpc(peer, GossipRpcReader.Read(frame), frame.Length));
                }
            }
        }
        catch (Exception exception) when (exception is GossipsubException
            or Libp2pException { Code: Libp2pErrorCode.BadLength or Libp2pErrorCode.Malformed })
        {
            core.Violation(peer, 1);
            Log.InboundViolation(logger, peer.Peer, exception.Message);
            stream.Reset();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
        {
            stream.Reset();
        }
        finally
        {
            reading.End();
            core.InboundClosed(peer, stream);
        }
    }

    private sealed record InboundStream(IPeerStream Stream, StallTimer Reading);

    private sealed class Session(GossipPeer peer, StallTimer writing, CancellationTokenSource stopping)
    {
        public GossipPeer Peer { get; } = peer;

        public CancellationTokenSource Stopping { get; } = stopping;

        public IPeerStream? Outbound { get; set; }

        public StallTimer Writing { get; } = writing;

        /// <summary>The newest one.</summary>
        public InboundStream? Inbound { get; set; }

        public void Stop()
        {
            try
            {
                Stopping.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The session ended by itself, with its source.
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3111, LogLevel.Debug, "Gossip stream to {Peer} failed: {Reason}")]
        public static partial void OutboundFailed(ILogger logger, PeerId peer, string reason);

        [LoggerMessage(3112, LogLevel.Debug, "Gossip stream of {Peer} was reset: {Reason}")]
        public static partial void InboundViolation(ILogger logger, PeerId peer, string reason);

        [LoggerMessage(3113, LogLevel.Debug, "Gossip stream of {Peer} was reset: an RPC was begun and not ended")]
        public static partial void InboundStalled(ILogger logger, PeerId peer);
    }
}
