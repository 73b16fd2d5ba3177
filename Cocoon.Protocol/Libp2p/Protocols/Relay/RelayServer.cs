using System.Collections.Concurrent;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>The relay service (hop): grants reservations and joins streams of two peers, both within limits.</summary>
internal sealed partial class RelayServer
{
    private const string InferPrefix = "/cocoon/infer/";

    private readonly RelayLimits _limits;
    private readonly PeerSwarm _swarm;
    private readonly Ed25519PrivateKey _key;
    private readonly PeerId _localPeer;
    private readonly Func<IReadOnlyList<Multiaddr>> _addresses;
    private readonly ConnectionContext _context;
    private readonly ReservationTable _reservations;
    private readonly RateLimiter<PeerId> _peerRequests;
    private readonly RateLimiter<string> _networkRequests;
    private readonly CircuitTable _circuits;
    private readonly InferenceAllowance _allowance;
    private readonly ConcurrentDictionary<CircuitStatus, long> _refused = new();
    private long _granted;
    private long _opened;

    /// <param name="addresses">Our own dialable ones: a reserver announces them with itself behind.</param>
    public RelayServer(
        RelayLimits limits, Ed25519PrivateKey key, PeerSwarm swarm, StreamHandlers handlers, Func<IReadOnlyList<Multiaddr>> addresses, bool allowPrivate, ConnectionContext context)
    {
        _limits = limits;
        _swarm = swarm;
        _key = key;
        _localPeer = PeerId.FromPublicKey(key.PublicKey);
        _addresses = addresses;
        _context = context;
        _reservations = new ReservationTable(limits, allowPrivate, context.Time);
        _circuits = new CircuitTable(limits);
        _allowance = new InferenceAllowance(limits, context.Time);
        _peerRequests = PerHour<PeerId>(limits.RequestsPerPeerAndHour);
        _networkRequests = PerHour<string>(limits.RequestsPerNetworkAndHour);
        swarm.Closed += OnClosed;
        handlers.Set(CircuitProtocol.HopId, ServeAsync);
    }

    public RelayLimits Limits => _limits;

    public IReadOnlyList<GrantedReservation> Reservations => _reservations.All;

    public IReadOnlyList<CircuitInfo> Circuits => _circuits.All;

    public RelayCounters Counters => new(
        Interlocked.Read(ref _granted), Interlocked.Read(ref _opened), _circuits.Bytes, _refused.ToDictionary(entry => entry.Key.ToString(), entry => entry.Value));

    private RateLimiter<T> PerHour<T>(int count)
        where T : notnull => new(count / 3600.0, count, _context.Time);

    private void OnClosed(PeerConnection connection, bool isLast)
    {
        // A reservation ends with the connection it came by; a relayed one would not carry a circuit.
        if (!_swarm.Connections.TryGetDirect(connection.RemotePeer, out _))
        {
            _reservations.Remove(connection.RemotePeer);
            Unprotect(connection.RemotePeer);
        }
    }

    private async Task ServeAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        PeerConnection connection = ((PeerStream)stream).Connection;
        HopMessage? request;
        using (CancellationTokenSource timeout = new(_limits.RequestTimeout, _context.Time))
        using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken))
        {
            try
            {
                request = await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, CircuitProtocol.MaxMessageLength, stop.Token);
            }
            catch (Libp2pException exception) when (exception.Code is Libp2pErrorCode.Malformed or Libp2pErrorCode.BadLength)
            {
                await RefuseAsync(stream, CircuitStatus.MalformedMessage, cancellationToken);
                return;
            }
        }

        switch (request)
        {
            case null:
                return;
            case { HasType: false }:
                await RefuseAsync(stream, CircuitStatus.MalformedMessage, cancellationToken);
                return;
            case { Type: HopMessage.Types.Type.Reserve }:
                await ReserveAsync(stream, connection, cancellationToken);
                return;
            case { Type: HopMessage.Types.Type.Connect }:
                await ConnectAsync(stream, connection, request, cancellationToken);
                return;
            default:
                await RefuseAsync(stream, CircuitStatus.UnexpectedMessage, cancellationToken);
                return;
        }
    }

    private async Task ReserveAsync(IPeerStream stream, PeerConnection connection, CancellationToken cancellationToken)
    {
        PeerId peer = connection.RemotePeer;
        if (connection.IsRelayed)
        {
            await RefuseAsync(stream, CircuitStatus.PermissionDenied, cancellationToken);
            return;
        }

        string? network = IpGroups.Narrow(connection.RemoteAddress);
        if (!_peerRequests.TryTake(peer)
            || (network is not null && !_networkRequests.TryTake(network))
            || !_reservations.TryAdd(peer, connection.RemoteAddress, out DateTimeOffset expires))
        {
            await RefuseAsync(stream, CircuitStatus.ReservationRefused, cancellationToken);
            return;
        }

        // The swarm trims what is not protected, and a reservation would silently end with it.
        _swarm.Connections.Protect(peer, nameof(RelayServer));
        Interlocked.Increment(ref _granted);
        CircuitReservation reservation = new()
        {
            Expire = (ulong)expires.ToUnixTimeSeconds(),
            Voucher = UnsafeByteOperations.UnsafeWrap(new ReservationVoucher(_localPeer, peer, expires).Seal(_key)),
        };
        reservation.Addrs.AddRange(_addresses().Where(address => !address.IsRelayed).Take(MaxAddresses).Select(address => ByteString.CopyFrom(address.WithPeer(_localPeer).Bytes)));
        HopMessage answer = new()
        {
            Type = HopMessage.Types.Type.Status,
            Status = CircuitStatus.Ok,
            Reservation = reservation,
            Limit = CircuitProtocol.ToMessage(LimitOf(ServesInference(connection))),
        };
        await LengthPrefixed.WriteAsync(stream, answer, cancellationToken);
        Log.Reserved(_context.Logger, peer, expires);
        if (connection.Session.Error is not null)
        {
            // It closed before the entry was there to be removed.
            OnClosed(connection, isLast: true);
        }
    }

    /// <summary>Keeps the answer well below the protocol's 4 KiB.</summary>
    private const int MaxAddresses = 16;

    private async Task ConnectAsync(IPeerStream hop, PeerConnection connection, HopMessage request, CancellationToken cancellationToken)
    {
        PeerId source = connection.RemotePeer;
        if (!CircuitProtocol.TryReadPeer(request.Peer, out PeerId destination))
        {
            await RefuseAsync(hop, CircuitStatus.MalformedMessage, cancellationToken);
            return;
        }

        if (connection.IsRelayed || destination == source || destination == _localPeer)
        {
            await RefuseAsync(hop, CircuitStatus.PermissionDenied, cancellationToken);
            return;
        }

        if (!_reservations.Contains(destination) || !_swarm.Connections.TryGetDirect(destination, out PeerConnection? onward))
        {
            await RefuseAsync(hop, CircuitStatus.NoReservation, cancellationToken);
            return;
        }

        StreamOwner from = _context.OwnerOf(source, connection.RemoteAddress), to = _context.OwnerOf(destination, onward.RemoteAddress);

        // Opening one costs what an ordinary circuit carries: with less than that left it may as well be one.
        bool isLarge = ServesInference(onward) && _allowance.TryTake(from, to, _limits.CircuitData);
        Circuit circuit = new(from, to, LimitOf(isLarge), _context.Time, isLarge ? _allowance : null);
        if (!_circuits.TryAdd(circuit))
        {
            await RefuseAsync(hop, CircuitStatus.ResourceLimitExceeded, cancellationToken);
            return;
        }

        try
        {
            await using PeerStream? stop = await TryOpenAsync(onward, source, circuit, cancellationToken);
            if (stop is null)
            {
                await RefuseAsync(hop, CircuitStatus.ConnectionFailed, cancellationToken);
                return;
            }

            HopMessage answer = new()
            {
                Type = HopMessage.Types.Type.Status,
                Status = CircuitStatus.Ok,
                Limit = CircuitProtocol.ToMessage(circuit.Describe().Limit),
            };
            await LengthPrefixed.WriteAsync(hop, answer, cancellationToken);
            Interlocked.Increment(ref _opened);
            Log.Joined(_context.Logger, source, destination);
            await circuit.RunAsync(hop, stop, cancellationToken);
        }
        finally
        {
            _circuits.Remove(circuit);
        }
    }

    /// <summary>Asks the destination to take the circuit (stop); <c>null</c> when it does not.</summary>
    private async Task<PeerStream?> TryOpenAsync(PeerConnection onward, PeerId source, Circuit circuit, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(_limits.RequestTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        PeerStream? stream = null;
        try
        {
            stream = await onward.OpenStreamAsync([CircuitProtocol.StopId], optimistic: true, stop.Token);
            StopMessage request = new()
            {
                Type = StopMessage.Types.Type.Connect,
                Peer = CircuitProtocol.ToMessage(source),
                Limit = CircuitProtocol.ToMessage(circuit.Describe().Limit),
            };
            await LengthPrefixed.WriteAsync(stream, request, stop.Token);
            StopMessage? answer = await LengthPrefixed.ReadAsync(stream, StopMessage.Parser, CircuitProtocol.MaxMessageLength, stop.Token);
            if (answer is { Type: StopMessage.Types.Type.Status, Status: CircuitStatus.Ok })
            {
                return stream;
            }

            Log.NotTaken(_context.Logger, onward.RemotePeer, answer?.Status.ToString() ?? "no answer");
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.NotTaken(_context.Logger, onward.RemotePeer, exception.Message);
        }

        stream?.Reset();
        return null;
    }

    private static bool ServesInference(PeerConnection destination) =>
        destination.Identity?.Protocols.Any(protocol => protocol.StartsWith(InferPrefix, StringComparison.Ordinal)) == true;

    private CircuitLimit LimitOf(bool isLarge) => isLarge
        ? new CircuitLimit(_limits.InferenceCircuitTime, _limits.InferenceCircuitData)
        : new CircuitLimit(_limits.CircuitTime, _limits.CircuitData);

    private async Task RefuseAsync(IPeerStream stream, CircuitStatus status, CancellationToken cancellationToken)
    {
        _refused.AddOrUpdate(status, 1, static (_, count) => count + 1);
        Log.Refused(_context.Logger, stream.RemotePeer, status);
        await LengthPrefixed.WriteAsync(stream, new HopMessage { Type = HopMessage.Types.Type.Status, Status = status }, cancellationToken);
    }

    private void Unprotect(PeerId peer) => _swarm.Connections.Unprotect(peer, nameof(RelayServer));

    private static partial class Log
    {
        [LoggerMessage(3151, LogLevel.Debug, "Reservation for {Peer} until {Expires}")]
        public static partial void Reserved(ILogger logger, PeerId peer, DateTimeOffset expires);

        [LoggerMessage(3152, LogLevel.Debug, "Circuit from {Source} to {Destination}")]
        public static partial void Joined(ILogger logger, PeerId source, PeerId destination);

        [LoggerMessage(3153, LogLevel.Debug, "Circuit not taken by {Peer}: {Reason}")]
        public static partial void NotTaken(ILogger logger, PeerId peer, string reason);

        [LoggerMessage(3154, LogLevel.Debug, "Relay request of {Peer} refused: {Status}")]
        public static partial void Refused(ILogger logger, PeerId peer, CircuitStatus status);
    }
}
