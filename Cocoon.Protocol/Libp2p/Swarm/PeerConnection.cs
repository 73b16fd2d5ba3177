using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>One authenticated connection: its session, its inbound streams and what is known of the remote through it.</summary>
internal sealed partial class PeerConnection : IAsyncDisposable
{
    private readonly NoiseChannel _channel;
    private readonly StreamHandlers _handlers;
    private readonly Libp2pLimits _limits;
    private readonly StreamScope _inboundScope;
    private readonly StreamScope _outboundScope;
    private readonly StreamOwner _owner;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<Task, PeerStreamSlot> _inbound = new();
    private readonly Dictionary<string, int> _inboundByProtocol = [];

    public PeerConnection(NoiseChannel channel, bool isOutbound, StreamHandlers handlers, ConnectionContext context)
    {
        _channel = channel;
        _handlers = handlers;
        _limits = context.Limits;
        _inboundScope = context.InboundStreams;
        _outboundScope = context.OutboundStreams;
        _owner = context.OwnerOf(channel.RemotePeer, channel.Connection.RemoteAddress);
        _logger = context.Logger;
        IsOutbound = isOutbound;
        OpenedAt = context.Time.GetUtcNow();
        Session = new YamuxSession(
            channel,
            isOutbound,
            context.Limits,
            context.StreamMemory,
            context.WindowMemory,
            context.Time,
            Accept,
            () => _inboundScope.TryOpen(_owner) is { } place ? place.Free : null);
    }

    public PeerId RemotePeer => _channel.RemotePeer;

    public Multiaddr RemoteAddress => _channel.Connection.RemoteAddress;

    public Multiaddr LocalAddress => _channel.Connection.LocalAddress;

    public bool IsOutbound { get; }

    public bool IsRelayed => RemoteAddress.IsRelayed;

    /// <summary>What the relay lets through; <c>null</c> on direct connections and where the relay limits nothing.</summary>
    public CircuitLimit? Limit => (_channel.Connection as RelayedConnection)?.Limit;

    public DateTimeOffset OpenedAt { get; }

    public YamuxSession Session { get; }

    /// <summary>What identify told; <c>null</c> before.</summary>
    public RemoteIdentity? Identity { get; set; }

    /// <summary>The address that the remote saw us at; a hint.</summary>
    public Multiaddr? ObservedAddress { get; set; }

    public PeerConnectionInfo Describe() => new(
        RemotePeer, RemoteAddress, IsOutbound, IsRelayed, OpenedAt, Identity?.AgentVersion ?? "", Identity?.Protocols ?? [],
        Session.RoundTrip, Session.StreamCount, _channel.BytesReceived, _channel.BytesSent)
    {
        Loss = Session.Loss,
        LocalAddress = LocalAddress,
        ObservedAddress = ObservedAddress,
        ProtocolVersion = Identity?.ProtocolVersion ?? "",
    };

    /// <summary>Opens a stream with the first of the protocols that the remote takes.</summary>
    /// <param name="optimistic">
    /// Propose the first one and return without waiting for the answer: the payload leaves with the proposal, a refusal shows at the first read.
    /// </param>
    /// <exception cref="IOException">The connection ended, no protocol in common, or the node has as many streams as it may have.</exception>
    public async ValueTask<PeerStream> OpenStreamAsync(IReadOnlyList<string> protocols, bool optimistic, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> allowed = Limit is null ? protocols : [.. protocols.Where(MayRun)];
        if (allowed.Count == 0)
        {
            throw new Libp2pException(
                Libp2pErrorCode.ProtocolNotSupported, $"{RemotePeer} is connected through a limited relay, which is not for {string.Join(", ", protocols)}.");
        }

        StreamScope.Place place = _outboundScope.TryOpen(_owner) ?? throw TooMany($"streams are open, to {RemotePeer} or to all peers together");
        YamuxStream stream;
        try
        {
            stream = await Session.OpenStreamAsync(cancellationToken, place.Free);
        }
        catch (Exception)
        {
            place.Free();
            throw;
        }

        try
        {
            if (optimistic)
            {
                Enter(place, allowed[0]);
                await stream.WriteCorkedAsync(MultistreamSelect.EncodeProposal(allowed[0]), cancellationToken);
                return new PeerStream(stream, this, allowed[0], answerPending: true);
            }

            string protocol = await MultistreamSelect.DialAsync(stream, allowed, cancellationToken);
            Enter(place, protocol);
            return new PeerStream(stream, this, protocol, answerPending: false);
        }
        catch (Exception)
        {
            stream.Reset();
            throw;
        }
    }

    /// <summary>Resets inbound streams on which nothing moves, and streams that only the remote keeps open.</summary>
    public void Sweep()
    {
        Session.Sweep();
        foreach (PeerStreamSlot slot in _inbound.Values)
        {
            if (slot.Stream is { } stream
                && !_limits.MayIdle(stream.Protocol)
                && Session.Time.GetElapsedTime(stream.Inner.LastActivity) >= _limits.StreamIdleTimeout)
            {
                stream.Reset();
            }
        }
    }

    /// <summary>Whether streams of the protocol may run here: a relay's limited circuit is for few.</summary>
    public bool MayRun(string protocol) => Limit is null || _limits.RunsOnLimited(protocol);

    public async ValueTask DisposeAsync()
    {
        await Session.DisposeAsync();
        await Task.WhenAll(_inbound.Keys);
    }

    private static void Enter(StreamScope.Place place, string protocol)
    {
        if (!place.TryEnter(protocol))
        {
            throw TooMany($"streams of {protocol} are open");
        }
    }

    private static Libp2pException TooMany(string what) => new(Libp2pErrorCode.ResourceLimit, $"Too many {what}.");

    private void Accept(YamuxStream stream)
    {
        PeerStreamSlot slot = new();
        Task<Task> start = new(() => ServeAsync(stream, slot));
        Task done = start.Unwrap();
        _inbound.TryAdd(done, slot);
        done.ContinueWith(
            static (task, state) => ((ConcurrentDictionary<Task, PeerStreamSlot>)state!).TryRemove(task, out _),
            _inbound, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        start.Start(TaskScheduler.Default);
    }

    private async Task ServeAsync(YamuxStream stream, PeerStreamSlot slot)
    {
        string? protocol = null;
        try
        {
            protocol = await NegotiateAsync(stream);
            if (!_handlers.TryGet(protocol, out Func<IPeerStream, CancellationToken, Task>? handler) || !TryCount(protocol))
            {
                protocol = null;
                stream.Reset();
                return;
            }

            PeerStream served = new(stream, this, protocol, answerPending: false);
            slot.Stream = served;
            await handler(served, Session.Ended);
            await served.CloseWriteAsync(CancellationToken.None);
            await served.DisposeAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            stream.Reset();
            Log.StreamFailed(_logger, RemotePeer, protocol ?? "-", exception.Message);
        }
        catch (Exception exception)
        {
            stream.Reset();
            Log.HandlerFailed(_logger, protocol ?? "-", exception);
        }
        finally
        {
            if (protocol is not null)
            {
                _inboundScope.Leave(_owner, protocol);
                lock (_inboundByProtocol)
                {
                    _inboundByProtocol[protocol]--;
                }
            }
        }
    }

    private async ValueTask<string> NegotiateAsync(YamuxStream stream)
    {
        using CancellationTokenSource timeout = new(_limits.StreamNegotiationTimeout, Session.Time);
        return await MultistreamSelect.ListenAsync(stream, protocol => _handlers.Contains(protocol) && MayRun(protocol), timeout.Token);
    }

    private bool TryCount(string protocol)
    {
        lock (_inboundByProtocol)
        {
            int count = _inboundByProtocol.GetValueOrDefault(protocol);
            if (count >= _limits.GetStreamLimit(protocol) || !_inboundScope.TryEnter(_owner, protocol))
            {
                return false;
            }

            _inboundByProtocol[protocol] = count + 1;
            return true;
        }
    }

    private sealed class PeerStreamSlot
    {
        public PeerStream? Stream { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(3011, LogLevel.Debug, "Stream {Protocol} of {Peer} failed: {Reason}")]
        public static partial void StreamFailed(ILogger logger, PeerId peer, string protocol, string reason);

        [LoggerMessage(3012, LogLevel.Warning, "The handler of {Protocol} failed")]
        public static partial void HandlerFailed(ILogger logger, string protocol, Exception exception);
    }
}
