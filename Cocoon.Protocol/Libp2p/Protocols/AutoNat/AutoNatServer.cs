using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat.Proto;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>Dials a peer back at its own request and tells whether that worked (AutoNAT v1).</summary>
/// <remarks>
/// Nobody can aim the dials: they go to the IP address that the request came from and to nothing else. They leave from a port and
/// with an identity of their own, for a NAT lets answers through that a stranger's packets do not pass.
/// </remarks>
internal sealed partial class AutoNatServer
{
    private readonly AutoNatOptions _options;
    private readonly PeerSwarm _swarm;
    private readonly ConnectionContext _context;
    private readonly RateLimiter<PeerId> _peerRequests;
    private readonly RateLimiter<int> _requests;
    private int _running;

    public AutoNatServer(AutoNatOptions options, PeerSwarm swarm, StreamHandlers handlers, ConnectionContext context)
    {
        _options = options;
        _swarm = swarm;
        _context = context;
        _peerRequests = new RateLimiter<PeerId>(options.RequestsPerPeerAndMinute / 60.0, options.RequestsPerPeerAndMinute, context.Time);
        _requests = new RateLimiter<int>(options.RequestsPerMinute / 60.0, options.RequestsPerMinute, context.Time);
        handlers.Set(AutoNatOptions.Protocol, ServeAsync);
    }

    private async Task ServeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        PeerConnection connection = ((PeerStream)stream).Connection;
        AutoNatMessage? request;
        using (CancellationTokenSource timeout = new(_context.Limits.StreamNegotiationTimeout, _context.Time))
        using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken))
        {
            request = await LengthPrefixed.ReadAsync(stream, AutoNatMessage.Parser, _options.MaxMessageLength, stop.Token);
        }

        if (request is null)
        {
            return;
        }

        AutoNatMessage.Types.DialResponse answer = await AnswerAsync(connection, request, cancellationToken);
        await LengthPrefixed.WriteAsync(
            stream, new AutoNatMessage { Type = AutoNatMessage.Types.Type.DialResponse, DialResponse = answer }, cancellationToken);
    }

    private async Task<AutoNatMessage.Types.DialResponse> AnswerAsync(PeerConnection connection, AutoNatMessage request, CancellationToken cancellationToken)
    {
        if (request is not { HasType: true, Type: AutoNatMessage.Types.Type.Dial, Dial.Peer: { } asked }
            || (asked.HasId && !asked.Id.Span.SequenceEqual(connection.RemotePeer.Bytes)))
        {
            return Refuse(connection, AutoNatMessage.Types.Status.EBadRequest, "not a request of this peer about itself");
        }

        if (connection.IsRelayed || connection.RemoteAddress.IpAddress is not { } ip || !_swarm.Dialer.IsAllowed(connection.RemoteAddress))
        {
            return Refuse(connection, AutoNatMessage.Types.Status.EDialRefused, "the address that the request came from is not dialled");
        }

        IPEndPoint[] endPoints = [.. EndPoints(asked, ip).Distinct().Take(_options.DialsPerRequest)];
        if (endPoints.Length == 0)
        {
            return Refuse(connection, AutoNatMessage.Types.Status.EDialRefused, "no address has the IP that the request came from");
        }

        if (!_peerRequests.TryTake(connection.RemotePeer) || !_requests.TryTake(0))
        {
            return Refuse(connection, AutoNatMessage.Types.Status.EDialRefused, "too many requests");
        }

        try
        {
            if (Interlocked.Increment(ref _running) > _options.ParallelRequests)
            {
                return Refuse(connection, AutoNatMessage.Types.Status.EDialRefused, "too many requests at once");
            }

            return await DialAsync(connection.RemotePeer, endPoints, cancellationToken) is { } reached
                ? new AutoNatMessage.Types.DialResponse { Status = AutoNatMessage.Types.Status.Ok, Addr = ByteString.CopyFrom(Multiaddr.FromEndPoint(reached).Bytes) }
                : Refuse(connection, AutoNatMessage.Types.Status.EDialError, "no dial succeeded");
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private IEnumerable<IPEndPoint> EndPoints(AutoNatMessage.Types.PeerInfo asked, IPAddress observed)
    {
        foreach (ByteString bytes in asked.Addrs.Take(_options.AddressesPerRequest))
        {
            if (Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address)
                && address.TryGetTcpEndPoint(out IPEndPoint? endPoint)
                && endPoint.Address.Equals(observed))
            {
                yield return endPoint;
            }
        }
    }

    /// <summary>The first end point where the peer itself answers.</summary>
    private async Task<IPEndPoint?> DialAsync(PeerId peer, IPEndPoint[] endPoints, CancellationToken cancellationToken)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        using NoiseIdentity stranger = new(key, [YamuxSession.Protocol]);
        using CancellationTokenSource timeout = new(_options.DialTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        List<Task<IPEndPoint?>> dials = [.. endPoints.Select(endPoint => TryDialAsync(stranger, peer, endPoint, stop.Token))];
        IPEndPoint? reached = null;
        while (dials.Count > 0)
        {
            Task<IPEndPoint?> done = await Task.WhenAny(dials);
            dials.Remove(done);
            if (reached is null && await done is { } answered)
            {
                reached = answered;
                await stop.CancelAsync();
            }
        }

        return reached;
    }

    private async Task<IPEndPoint?> TryDialAsync(NoiseIdentity stranger, PeerId peer, IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            await using IRawConnection raw = await TcpTransport.DialFreshAsync(endPoint, cancellationToken);
            await NoiseHandshake.ProbeAsync(raw, stranger, peer, cancellationToken);
            return endPoint;
        }
        catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
        {
            Log.NotReached(_context.Logger, peer, endPoint, exception.Message);
            return null;
        }
    }

    private AutoNatMessage.Types.DialResponse Refuse(PeerConnection connection, AutoNatMessage.Types.Status status, string reason)
    {
        Log.Refused(_context.Logger, connection.RemotePeer, status, reason);
        return new AutoNatMessage.Types.DialResponse { Status = status, StatusText = reason };
    }

    private static partial class Log
    {
        [LoggerMessage(3181, LogLevel.Debug, "{Peer} does not answer at {EndPoint}: {Reason}")]
        public static partial void NotReached(ILogger logger, PeerId peer, IPEndPoint endPoint, string reason);

        [LoggerMessage(3182, LogLevel.Debug, "No dial back to {Peer} ({Status}): {Reason}")]
        public static partial void Refused(ILogger logger, PeerId peer, AutoNatMessage.Types.Status status, string reason);
    }
}
