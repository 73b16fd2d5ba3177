using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr.Proto;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Dcutr;

/// <summary>Replaces a relayed connection by a direct one: both sides dial each other at the same moment (DCUtR).</summary>
/// <remarks>
/// In the specification's words, B was reached through the relay and leads; A had dialled. On the TCP connection that comes up A is
/// the initiator of the handshake and B the responder, whoever's connect succeeded.
/// </remarks>
internal sealed partial class DcutrService : IAsyncDisposable
{
    private readonly DcutrOptions _options;
    private readonly PeerSwarm _swarm;
    private readonly PeerStore _store;
    private readonly Func<IReadOnlyList<Multiaddr>> _addresses;
    private readonly ConnectionContext _context;
    private readonly ConcurrentDictionary<PeerId, byte> _running = new();
    private readonly TaskGroup _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private long _upgraded;
    private long _givenUp;

    /// <param name="addresses">Direct addresses that others see or can reach us at, best first.</param>
    public DcutrService(
        DcutrOptions options, PeerSwarm swarm, PeerStore store, StreamHandlers handlers, Func<IReadOnlyList<Multiaddr>> addresses, ConnectionContext context)
    {
        _options = options;
        _swarm = swarm;
        _store = store;
        _addresses = addresses;
        _context = context;
        handlers.Set(DcutrOptions.Protocol, AnswerAsync);
    }

    public HolePunchingReport Report => new(Interlocked.Read(ref _upgraded), Interlocked.Read(ref _givenUp));

    /// <summary>A connection's peer told its protocols: leads the upgrade when the connection came to us through a relay.</summary>
    public void OnIdentified(PeerConnection connection)
    {
        if (connection is { IsRelayed: true, IsOutbound: false }
            && connection.Identity?.Protocols.Contains(DcutrOptions.Protocol) == true
            && !_swarm.Connections.TryGetDirect(connection.RemotePeer, out _)
            && TryBegin(connection.RemotePeer))
        {
            _tasks.Run(() => LeadAsync(connection));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _tasks.CloseAsync();
        _stopping.Dispose();
    }

    private bool TryBegin(PeerId peer) => _running.Count < _options.ParallelUpgrades && _running.TryAdd(peer, 0);

    /// <summary>B's side.</summary>
    private async Task LeadAsync(PeerConnection relayed)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(relayed.Session.Ended, _stopping.Token);
        try
        {
            if (_options.DialFirst && await TryDialAsync(relayed.RemotePeer, stop.Token))
            {
                Interlocked.Increment(ref _upgraded);
                return;
            }

            for (int attempt = 1; attempt <= _options.Attempts; attempt++)
            {
                if (await TryLeadOnceAsync(relayed, stop.Token))
                {
                    Interlocked.Increment(ref _upgraded);
                    Log.Upgraded(_context.Logger, relayed.RemotePeer, attempt);
                    return;
                }
            }

            Interlocked.Increment(ref _givenUp);
            Log.GivenUp(_context.Logger, relayed.RemotePeer, _options.Attempts);
        }
        catch (OperationCanceledException)
        {
            // The relayed connection is gone, and with it the way to agree on a moment.
        }
        finally
        {
            _running.TryRemove(relayed.RemotePeer, out _);
        }
    }

    /// <summary>A that is not behind a NAT is reached by a plain dial, which costs nothing else.</summary>
    private async Task<bool> TryDialAsync(PeerId peer, CancellationToken cancellationToken)
    {
        if (!_store.GetAddresses(peer).Any(address => !address.IsRelayed))
        {
            return false;
        }

        using CancellationTokenSource timeout = new(_options.PunchTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await _swarm.ConnectAsync(peer, isDirect: true, stop.Token);
            return true;
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.Failed(_context.Logger, peer, exception.Message);
            return false;
        }
    }

    private async Task<bool> TryLeadOnceAsync(PeerConnection relayed, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_options.ExchangeTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await using PeerStream stream = await relayed.OpenStreamAsync([DcutrOptions.Protocol], optimistic: true, stop.Token);
            long start = _context.Time.GetTimestamp();
            await LengthPrefixed.WriteAsync(stream, CreateConnect(), stop.Token);
            IReadOnlyList<Multiaddr> addresses = await ReadAsync(stream, HolePunch.Types.Type.Connect, stop.Token);
            TimeSpan roundTrip = _context.Time.GetElapsedTime(start);
            await LengthPrefixed.WriteAsync(stream, new HolePunch { Type = HolePunch.Types.Type.Sync }, stop.Token);
            await stream.CloseWriteAsync(stop.Token);
            await Task.Delay((roundTrip < _options.MaxRoundTrip ? roundTrip : _options.MaxRoundTrip) / 2, _context.Time, stop.Token);
            return await TryPunchAsync(relayed.RemotePeer, addresses, isInitiator: false, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.Failed(_context.Logger, relayed.RemotePeer, exception.Message);
            return false;
        }
    }

    /// <summary>A's side.</summary>
    private async Task AnswerAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        PeerConnection relayed = ((PeerStream)stream).Connection;
        if (!relayed.IsRelayed || !relayed.IsOutbound)
        {
            throw new Libp2pException(Libp2pErrorCode.Malformed, "Only a peer that we reached through a relay asks for a hole.");
        }

        if (!TryBegin(relayed.RemotePeer))
        {
            throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "Too many holes are being punched.");
        }

        try
        {
            using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
            using CancellationTokenSource timeout = new(_options.ExchangeTimeout, _context.Time);
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stopping.Token);
            IReadOnlyList<Multiaddr> addresses = await ReadAsync(stream, HolePunch.Types.Type.Connect, stop.Token);
            // Its connect may be here before its message is: half a round trip is an estimate, and this machine may be busy.
            using IDisposable expectation = _swarm.ExpectPunch(relayed.RemotePeer, addresses);
            await LengthPrefixed.WriteAsync(stream, CreateConnect(), stop.Token);
            await ReadAsync(stream, HolePunch.Types.Type.Sync, stop.Token);
            await stream.CloseWriteAsync(stop.Token);
            if (await TryPunchAsync(relayed.RemotePeer, addresses, isInitiator: true, stopping.Token))
            {
                Interlocked.Increment(ref _upgraded);
                Log.Upgraded(_context.Logger, relayed.RemotePeer, 1);
            }
        }
        finally
        {
            _running.TryRemove(relayed.RemotePeer, out _);
        }
    }

    /// <summary>Whether a direct connection came up, by our dial or by the remote's.</summary>
    private async Task<bool> TryPunchAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool isInitiator, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_options.PunchTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnOpened(PeerConnection connection, bool isFirst)
        {
            if (connection.RemotePeer == peer && !connection.IsRelayed)
            {
                arrived.TrySetResult();
            }
        }

        _swarm.Opened += OnOpened;
        try
        {
            if (_swarm.Connections.TryGetDirect(peer, out _))
            {
                return true;
            }

            Task<bool> punch = PunchAsync(peer, addresses, isInitiator, stop.Token);
            Task waiting = Task.Delay(Timeout.InfiniteTimeSpan, _context.Time, stop.Token);
            await Task.WhenAny(punch, arrived.Task);
            if (!arrived.Task.IsCompleted && !await punch)
            {
                // Our dials ended before their time; the other side's may still arrive.
                await Task.WhenAny(arrived.Task, waiting);
            }

            await stop.CancelAsync();
            await punch;
            cancellationToken.ThrowIfCancellationRequested();
            return _swarm.Connections.TryGetDirect(peer, out _);
        }
        finally
        {
            _swarm.Opened -= OnOpened;
        }
    }

    private async Task<bool> PunchAsync(PeerId peer, IReadOnlyList<Multiaddr> addresses, bool isInitiator, CancellationToken cancellationToken)
    {
        try
        {
            await _swarm.PunchAsync(peer, addresses, isInitiator, cancellationToken);
            return true;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            Log.Failed(_context.Logger, peer, exception.Message);
            return false;
        }
    }

    private HolePunch CreateConnect()
    {
        HolePunch message = new() { Type = HolePunch.Types.Type.Connect };
        message.ObsAddrs.AddRange(_addresses().Take(_options.Addresses).Select(address => ByteString.CopyFrom(address.Bytes)));
        return message;
    }

    /// <exception cref="Libp2pException">Another message, or none.</exception>
    private async Task<IReadOnlyList<Multiaddr>> ReadAsync(IPeerStream stream, HolePunch.Types.Type expected, CancellationToken cancellationToken)
    {
        HolePunch? message = await LengthPrefixed.ReadAsync(stream, HolePunch.Parser, DcutrOptions.MaxMessageLength, cancellationToken);
        if (message is null || message.Type != expected)
        {
            throw new Libp2pException(Libp2pErrorCode.Malformed, $"The remote sent no {expected}.");
        }

        List<Multiaddr> addresses = [];
        foreach (ByteString bytes in message.ObsAddrs)
        {
            if (addresses.Count < _options.Addresses
                && Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address)
                && address.TryGetTcpEndPoint(out _)
                && _swarm.Dialer.IsAllowed(address)
                && !addresses.Contains(address.WithoutPeer()))
            {
                addresses.Add(address.WithoutPeer());
            }
        }

        return addresses;
    }

    private static partial class Log
    {
        [LoggerMessage(3201, LogLevel.Information, "The relayed connection to {Peer} is now direct (attempt {Attempt})")]
        public static partial void Upgraded(ILogger logger, PeerId peer, int attempt);

        [LoggerMessage(3202, LogLevel.Information, "No direct connection to {Peer} after {Attempts} attempts: the relay stays")]
        public static partial void GivenUp(ILogger logger, PeerId peer, int attempts);

        [LoggerMessage(3203, LogLevel.Debug, "Direct dial to {Peer} failed: {Reason}")]
        public static partial void Failed(ILogger logger, PeerId peer, string reason);
    }
}
