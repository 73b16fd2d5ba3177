using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>Asks relays for reservations and keeps them: renewed at half of their life, made again after a lost connection.</summary>
/// <remarks>
/// Two kinds of relays: those the user named, held at all times, and those chosen among the connected peers that offer it while
/// others cannot dial us.
/// </remarks>
internal sealed partial class RelayClient : IAsyncDisposable
{
    /// <summary>Own choice: what a relay calls itself we announce to everybody, who read no more than a few KiB of us. A name has seldom 60 bytes.</summary>
    private const int MaxAddressLength = 128;

    private readonly RelayClientOptions _options;
    private readonly PeerSwarm _swarm;
    private readonly ConnectionContext _context;
    private readonly Func<bool> _isNeeded;
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Held> _held = [];
    private readonly Dictionary<PeerId, Multiaddr> _named = [];
    private readonly Dictionary<PeerId, Refusal> _refused = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;

    /// <param name="isNeeded">Whether relays are to be chosen: nobody can dial us directly.</param>
    public RelayClient(RelayClientOptions options, PeerSwarm swarm, Func<bool> isNeeded, ConnectionContext context)
    {
        _options = options;
        _swarm = swarm;
        _isNeeded = isNeeded;
        _context = context;
        foreach (Multiaddr relay in options.Relays)
        {
            _named[relay.Peer ?? throw new ArgumentException($"{relay} names no relay by /p2p/…")] = relay;
        }

        swarm.Closed += OnClosed;
    }

    /// <summary>A reservation came or went.</summary>
    public event Action? Changed;

    public IReadOnlyList<HeldReservation> Reservations
    {
        get
        {
            lock (_lock)
            {
                return [.. _held.Values.Select(held => held.Reservation)];
            }
        }
    }

    public bool IsReserved(PeerId relay)
    {
        lock (_lock)
        {
            return _held.ContainsKey(relay);
        }
    }

    public void Start() => _loop = Task.Run(KeepAsync, CancellationToken.None);

    /// <summary>Looks at once whether something is to be done: a candidate appeared, or reachability changed.</summary>
    public void Nudge() => _wake.Writer.TryWrite(true);

    /// <summary>Reserves at a relay that the user named, and keeps it.</summary>
    /// <exception cref="IOException">It does not answer or refuses.</exception>
    public async Task<HeldReservation> ReserveAsync(Multiaddr relay, CancellationToken cancellationToken)
    {
        PeerConnection connection = await _swarm.ConnectAsync(relay, cancellationToken);
        try
        {
            return await ReserveAsync(connection, relay.WithPeer(connection.RemotePeer), cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new Libp2pException(Libp2pErrorCode.TimedOut, $"The relay {connection.RemotePeer} did not answer in time.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        _swarm.Closed -= OnClosed;
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private void OnClosed(PeerConnection connection, bool isLast)
    {
        if (!_swarm.Connections.TryGetDirect(connection.RemotePeer, out _))
        {
            Drop(connection.RemotePeer);
            Nudge();
        }
    }

    private async Task KeepAsync()
    {
        try
        {
            while (true)
            {
                await LookAsync();
                await WaitAsync();
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>What relays answer is at work here: it must not be what ends the search for others.</summary>
    private async Task LookAsync()
    {
        try
        {
            await RenewAsync();
            await ReserveNamedAsync();
            await ChooseAsync();
        }
        catch (Exception exception) when (!_stopping.IsCancellationRequested)
        {
            Log.LookFailed(_context.Logger, exception);
        }
    }

    private async Task WaitAsync()
    {
        using CancellationTokenSource pause = new(_options.Interval, _context.Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(pause.Token, _stopping.Token);
        try
        {
            await _wake.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            // Nobody woke it: time for the next look.
        }
    }

    private async Task RenewAsync()
    {
        DateTimeOffset now = _context.Time.GetUtcNow();
        List<Held> due;
        lock (_lock)
        {
            due = [.. _held.Values.Where(held => held.RenewAt <= now)];
        }

        foreach (Held held in due)
        {
            PeerId relay = held.Reservation.Relay;
            if (!(_swarm.Connections.TryGetDirect(relay, out PeerConnection? connection) && await TryReserveAsync(connection)) && held.Reservation.Expires <= now)
            {
                Drop(relay);
            }
        }
    }

    private async Task ReserveNamedAsync()
    {
        List<Multiaddr> missing;
        lock (_lock)
        {
            missing = [.. _named.Where(named => !_held.ContainsKey(named.Key) && MayAsk(named.Key)).Select(named => named.Value)];
        }

        foreach (Multiaddr relay in missing)
        {
            try
            {
                await TryReserveAsync(await _swarm.ConnectAsync(relay, _stopping.Token));
            }
            catch (IOException exception)
            {
                Log.Failed(_context.Logger, relay.Peer!, exception.Message);
                Refuse(relay.Peer!);
            }
        }
    }

    private async Task ChooseAsync()
    {
        if (!_isNeeded())
        {
            DropChosen();
            return;
        }

        foreach (PeerConnection candidate in _swarm.Connections.All
            .Where(connection => !connection.IsRelayed && connection.Identity?.Protocols.Contains(CircuitProtocol.HopId) == true)
            .OrderBy(connection => connection.Session.RoundTrip ?? TimeSpan.MaxValue)
            .DistinctBy(connection => connection.RemotePeer))
        {
            if (IsEnough())
            {
                return;
            }

            if (!IsReserved(candidate.RemotePeer) && MayAsk(candidate.RemotePeer))
            {
                await TryReserveAsync(candidate);
            }
        }

        foreach (Multiaddr candidate in IsEnough() ? [] : _options.Candidates())
        {
            if (candidate.Peer is { } relay && !IsReserved(relay) && MayAsk(relay) && !_swarm.Connections.TryGetDirect(relay, out _))
            {
                await TryConnectAsync(relay, candidate);
                return;
            }
        }
    }

    /// <summary>Once it is connected and identified, the next round asks it.</summary>
    private async Task TryConnectAsync(PeerId relay, Multiaddr address)
    {
        try
        {
            _swarm.AddHint(relay, address);
            await _swarm.ConnectAsync(relay, isDirect: true, _stopping.Token);
        }
        catch (IOException exception)
        {
            Log.Failed(_context.Logger, relay, exception.Message);
            Refuse(relay);
        }
    }

    private async Task<bool> TryReserveAsync(PeerConnection connection)
    {
        try
        {
            await ReserveAsync(connection, named: null, _stopping.Token);
            return true;
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !_stopping.IsCancellationRequested))
        {
            Log.Failed(_context.Logger, connection.RemotePeer, exception.Message);
            Refuse(connection.RemotePeer);
            return false;
        }
    }

    /// <param name="named">The relay's address where the user named it: it is kept from then on.</param>
    private async Task<HeldReservation> ReserveAsync(PeerConnection connection, Multiaddr? named, CancellationToken cancellationToken)
    {
        if (connection.IsRelayed)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"{connection.RemotePeer} is connected through a relay itself.");
        }

        using CancellationTokenSource timeout = new(_options.RequestTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        HopMessage? answer;
        await using (PeerStream stream = await connection.OpenStreamAsync([CircuitProtocol.HopId], optimistic: true, stop.Token))
        {
            await LengthPrefixed.WriteAsync(stream, new HopMessage { Type = HopMessage.Types.Type.Reserve }, stop.Token);
            answer = await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, CircuitProtocol.MaxMessageLength, stop.Token);
            await stream.CloseWriteAsync(stop.Token);
        }

        if (answer is not { Type: HopMessage.Types.Type.Status, Status: CircuitStatus.Ok, Reservation: { } granted })
        {
            throw new Libp2pException(Libp2pErrorCode.ResourceLimit, $"The relay {connection.RemotePeer} gave no reservation: {answer?.Status.ToString() ?? "no answer"}.");
        }

        HeldReservation reservation = Read(connection, granted, CircuitProtocol.ReadLimit(answer.Limit));
        Keep(reservation, named);
        return reservation;
    }

    /// <exception cref="Libp2pException">The reservation is over already, leads nowhere, or its voucher is another's.</exception>
    private HeldReservation Read(PeerConnection connection, CircuitReservation granted, CircuitLimit? limit)
    {
        PeerId relay = connection.RemotePeer;
        DateTimeOffset now = _context.Time.GetUtcNow();
        double seconds = granted.Expire - (double)now.ToUnixTimeSeconds();
        if (seconds <= 0)
        {
            throw new Libp2pException(Libp2pErrorCode.Malformed, $"The reservation of {relay} is over already.");
        }

        if (granted.HasVoucher
            && !(ReservationVoucher.TryOpen(granted.Voucher.Span, out ReservationVoucher? voucher) && voucher.Relay == relay && voucher.Peer == _swarm.LocalPeer))
        {
            throw new Libp2pException(Libp2pErrorCode.SecurityFailed, $"The voucher of {relay} does not hold.");
        }

        IReadOnlyList<Multiaddr> addresses = [.. ReadAddresses(connection, granted).Distinct().Take(_options.AddressesPerRelay)];
        return addresses.Count > 0
            ? new HeldReservation(relay, addresses, now.AddSeconds(Math.Min(seconds, _options.MaxReservationTime.TotalSeconds)), limit, granted.HasVoucher)
            : throw new Libp2pException(Libp2pErrorCode.DialFailed, $"The relay {relay} has no address that others could dial.");
    }

    private IEnumerable<Multiaddr> ReadAddresses(PeerConnection connection, CircuitReservation granted)
    {
        // go-libp2p leaves its addresses out when they are known; what we dialled leads to it in any case.
        IEnumerable<Multiaddr> told = connection.IsOutbound ? [connection.RemoteAddress] : [];
        foreach (Google.Protobuf.ByteString bytes in granted.Addrs.Take(4 * _options.AddressesPerRelay))
        {
            if (Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address) && (address.Peer ?? connection.RemotePeer) == connection.RemotePeer)
            {
                told = told.Append(address.WithoutPeer());
            }
        }

        return told
            .Where(address => !address.IsRelayed && address.Bytes.Length <= MaxAddressLength && _swarm.Dialer.IsAllowed(address))
            .Select(address => address.WithPeer(connection.RemotePeer).Concat(CircuitProtocol.Suffix));
    }

    private void Keep(HeldReservation reservation, Multiaddr? named)
    {
        DateTimeOffset now = _context.Time.GetUtcNow();
        bool lost;
        lock (_lock)
        {
            if (named is not null)
            {
                // Together with the reservation: the loop gives up those that nobody named as soon as they are not needed.
                _named[reservation.Relay] = named;
            }

            _held[reservation.Relay] = new Held(reservation, now + ((reservation.Expires - now) / 2));
            _refused.Remove(reservation.Relay);
            lost = !_swarm.Connections.TryGetDirect(reservation.Relay, out _);
        }

        _swarm.Connections.Protect(reservation.Relay, nameof(RelayClient));
        Log.Reserved(_context.Logger, reservation.Relay, reservation.Expires);
        Changed?.Invoke();
        if (lost)
        {
            Drop(reservation.Relay);
        }
    }

    private void Drop(PeerId relay)
    {
        lock (_lock)
        {
            if (!_held.Remove(relay))
            {
                return;
            }
        }

        _swarm.Connections.Unprotect(relay, nameof(RelayClient));
        Log.Dropped(_context.Logger, relay);
        Changed?.Invoke();
    }

    private void DropChosen()
    {
        List<PeerId> chosen;
        lock (_lock)
        {
            chosen = [.. _held.Keys.Where(relay => !_named.ContainsKey(relay))];
        }

        chosen.ForEach(Drop);
    }

    private bool IsEnough()
    {
        lock (_lock)
        {
            return _held.Count >= _options.Wanted;
        }
    }

    private bool MayAsk(PeerId relay)
    {
        lock (_lock)
        {
            return !_refused.TryGetValue(relay, out Refusal? refusal) || refusal.Until <= _context.Time.GetUtcNow();
        }
    }

    private void Refuse(PeerId relay)
    {
        DateTimeOffset now = _context.Time.GetUtcNow();
        lock (_lock)
        {
            if (_refused.Count >= _options.RememberedRefusals)
            {
                _refused.Remove(_refused.MinBy(refusal => refusal.Value.Until).Key);
            }

            int count = Math.Min((_refused.GetValueOrDefault(relay)?.Count ?? 0) + 1, 16);
            double pause = Math.Min(_options.RetryPause.TotalSeconds * Math.Pow(2, count - 1), _options.MaxRetryPause.TotalSeconds);
            _refused[relay] = new Refusal(count, now.AddSeconds(pause));
        }
    }

    private sealed record Held(HeldReservation Reservation, DateTimeOffset RenewAt);

    private sealed record Refusal(int Count, DateTimeOffset Until);

    private static partial class Log
    {
        [LoggerMessage(3171, LogLevel.Information, "Reachable through the relay {Relay} until {Expires}")]
        public static partial void Reserved(ILogger logger, PeerId relay, DateTimeOffset expires);

        [LoggerMessage(3172, LogLevel.Information, "No longer reachable through the relay {Relay}")]
        public static partial void Dropped(ILogger logger, PeerId relay);

        [LoggerMessage(3174, LogLevel.Error, "Looking after relays failed; the next round is tried all the same")]
        public static partial void LookFailed(ILogger logger, Exception exception);

        [LoggerMessage(3173, LogLevel.Debug, "No reservation at {Relay}: {Reason}")]
        public static partial void Failed(ILogger logger, PeerId relay, string reason);
    }
}
