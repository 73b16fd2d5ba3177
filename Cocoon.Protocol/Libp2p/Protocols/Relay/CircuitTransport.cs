using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>Connections through relays: dials them (hop CONNECT) and takes those that a relay opens to us (stop).</summary>
internal sealed partial class CircuitTransport : ITransport
{
    private readonly PeerSwarm _swarm;
    private readonly ConnectionContext _context;
    private readonly Func<PeerId, bool> _isReserved;

    /// <param name="isReserved">Whether we hold a reservation with the relay: circuits of others are refused.</param>
    public CircuitTransport(PeerSwarm swarm, StreamHandlers handlers, Func<PeerId, bool> isReserved, ConnectionContext context)
    {
        _swarm = swarm;
        _context = context;
        _isReserved = isReserved;
        handlers.Set(CircuitProtocol.StopId, TakeAsync);
    }

    /// <summary><c>&lt;direct address&gt;/p2p/&lt;relay&gt;/p2p-circuit[/p2p/&lt;peer&gt;]</c>.</summary>
    public bool CanDial(Multiaddr address) => TrySplit(address, out Multiaddr? relay) && !relay.IsRelayed && relay.Components.Count > 1;

    public async Task<IRawConnection> DialAsync(DialTarget target, CancellationToken cancellationToken)
    {
        if (target.Expected is not { } peer || !TrySplit(target.Address, out Multiaddr? relay))
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"{target.Address} names no peer behind the relay.");
        }

        PeerConnection connection = await ConnectAsync(relay, target.IsExplicit, cancellationToken);
        PeerStream stream = await connection.OpenStreamAsync([CircuitProtocol.HopId], optimistic: true, cancellationToken);
        try
        {
            HopMessage request = new() { Type = HopMessage.Types.Type.Connect, Peer = CircuitProtocol.ToMessage(peer) };
            await LengthPrefixed.WriteAsync(stream, request, cancellationToken);
            HopMessage? answer = await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, CircuitProtocol.MaxMessageLength, cancellationToken);
            if (answer is not { Type: HopMessage.Types.Type.Status, Status: CircuitStatus.Ok })
            {
                throw new Libp2pException(Libp2pErrorCode.DialFailed, $"The relay {connection.RemotePeer} refused the circuit: {answer?.Status.ToString() ?? "no answer"}.");
            }

            return new RelayedConnection(stream, connection.LocalAddress, RemoteAddress(connection), CircuitProtocol.ReadLimit(answer.Limit));
        }
        catch (Exception)
        {
            stream.Reset();
            throw;
        }
    }

    private static bool TrySplit(Multiaddr address, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Multiaddr? relay)
    {
        const string Circuit = "/p2p-circuit";
        string text = address.ToString();
        int at = text.LastIndexOf(Circuit, StringComparison.Ordinal);
        relay = at > 0 && Multiaddr.TryParse(text[..at], out Multiaddr? before) && before.Peer is not null ? before : null;
        return relay is not null;
    }

    private static Multiaddr RemoteAddress(PeerConnection relay) => relay.RemoteAddress.WithPeer(relay.RemotePeer).Concat(CircuitProtocol.Suffix);

    private async ValueTask<PeerConnection> ConnectAsync(Multiaddr relay, bool isExplicit, CancellationToken cancellationToken)
    {
        if (isExplicit)
        {
            return await _swarm.ConnectAsync(relay, cancellationToken);
        }

        _swarm.AddHint(relay.Peer!, relay);
        return await _swarm.ConnectAsync(relay.Peer!, isDirect: true, cancellationToken);
    }

    private async Task TakeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        PeerConnection relay = ((PeerStream)stream).Connection;
        (CircuitStatus status, PeerId? source, CircuitLimit? limit) = await ReadRequestAsync(stream, relay, cancellationToken);
        await LengthPrefixed.WriteAsync(stream, new StopMessage { Type = StopMessage.Types.Type.Status, Status = status }, cancellationToken);
        if (source is null)
        {
            Log.Refused(_context.Logger, relay.RemotePeer, status);
            return;
        }

        PeerConnection connection = await _swarm.AcceptAsync(new RelayedConnection(stream, relay.LocalAddress, RemoteAddress(relay), limit), source, cancellationToken);
        // The stream is the connection's for as long as this handler has not returned.
        await connection.Session.Completion;
    }

    private async Task<(CircuitStatus Status, PeerId? Source, CircuitLimit? Limit)> ReadRequestAsync(
        IPeerStream stream, PeerConnection relay, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_context.Limits.StreamNegotiationTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        StopMessage? request;
        try
        {
            request = await LengthPrefixed.ReadAsync(stream, StopMessage.Parser, CircuitProtocol.MaxMessageLength, stop.Token);
        }
        catch (Libp2pException exception) when (exception.Code is Libp2pErrorCode.Malformed or Libp2pErrorCode.BadLength)
        {
            return (CircuitStatus.MalformedMessage, null, null);
        }

        if (request is not { HasType: true, Type: StopMessage.Types.Type.Connect })
        {
            return (request is { HasType: true } ? CircuitStatus.UnexpectedMessage : CircuitStatus.MalformedMessage, null, null);
        }

        if (!CircuitProtocol.TryReadPeer(request.Peer, out PeerId source))
        {
            return (CircuitStatus.MalformedMessage, null, null);
        }

        return relay.IsRelayed || !_isReserved(relay.RemotePeer) ? (CircuitStatus.PermissionDenied, null, null) : (CircuitStatus.Ok, source, CircuitProtocol.ReadLimit(request.Limit));
    }

    private static partial class Log
    {
        [LoggerMessage(3161, LogLevel.Debug, "Circuit of relay {Relay} refused: {Status}")]
        public static partial void Refused(ILogger logger, PeerId relay, CircuitStatus status);
    }
}
