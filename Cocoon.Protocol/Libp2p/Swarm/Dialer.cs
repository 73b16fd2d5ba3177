using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Dials the addresses of a peer one after the other, side by side where they are slow; the first that proves to be the peer wins.</summary>
internal sealed partial class Dialer(TcpTransport tcp, Upgrader upgrader, ConnectionContext context, bool allowPrivate) : IDisposable
{
    /// <summary>Before the second connect to an address while a hole is punched, then doubled: the remote chose the address.</summary>
    private static readonly TimeSpan PunchPause = TimeSpan.FromMilliseconds(100);

    private readonly List<ITransport> _transports = [tcp];
    private readonly NameResolver _userNames = Resolver(context);
    private readonly SemaphoreSlim _places = new(context.Limits.ParallelDials);
    private readonly SemaphoreSlim _relayedPlaces = new(context.Limits.ParallelDials);

    /// <summary>Of names that came from others.</summary>
    internal NameResolver StrangersNames { get; init; } = Resolver(context);

    public DialBackoff Backoff { get; } = new(context.Limits, context.Time);

    /// <summary>Adds a transport; before the first dial.</summary>
    public void Add(ITransport transport) => _transports.Add(transport);

    /// <param name="expected">The peer; <c>null</c> takes whoever answers.</param>
    /// <param name="isExplicit">The user named the address: no back-off, no filter.</param>
    /// <exception cref="Libp2pException">No address is usable, or none answered as the peer.</exception>
    public async Task<NoiseChannel> DialAsync(PeerId? expected, IEnumerable<Multiaddr> addresses, bool isExplicit, CancellationToken cancellationToken)
    {
        Multiaddr[] usable = [.. addresses.Where(address => FindTransport(address) is not null && (isExplicit || IsAllowed(address)))];
        IReadOnlyList<(Multiaddr Address, TimeSpan At)> schedule = DialSchedule.Of(
            [.. usable.Where(address => isExplicit || WaitFor(expected, address) == TimeSpan.Zero).Take(context.Limits.AddressesPerPeer)], context.Limits);
        if (schedule.Count == 0)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, NothingToDial(expected, usable));
        }

        using CancellationTokenSource timeout = new(context.Limits.DialTimeout, context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        ConcurrentQueue<Multiaddr> tried = new();
        StaggeredRace<NoiseChannel> race = new(context.Limits.ParallelDialsPerPeer, context.Time);
        foreach ((Multiaddr address, TimeSpan at) in schedule)
        {
            // A direct address that fails makes room for the next direct one; relays keep their distance from those that still run.
            race.Add(at, token => DialOneAsync(expected, address, isExplicit, () => tried.Enqueue(address), token), track: address.IsRelayed ? 1 : 0);
        }

        if (await race.RunAsync(stop.Token) is { } channel)
        {
            return channel;
        }

        Exception? last = race.LastFailure;
        cancellationToken.ThrowIfCancellationRequested();
        if (timeout.IsCancellationRequested)
        {
            // Silence is a failure too; an address that refused was counted already and only waits longer. One that had no place is not.
            foreach (Multiaddr address in tried.Distinct())
            {
                Backoff.Fail(BackoffKey(expected, address));
            }
        }

        throw new Libp2pException(
            timeout.IsCancellationRequested ? Libp2pErrorCode.TimedOut : (last as Libp2pException)?.Code ?? Libp2pErrorCode.DialFailed,
            $"No address of {expected?.ToString() ?? "the peer"} answered: {last?.Message ?? "time is up"}",
            last);
    }

    public void Dispose()
    {
        _places.Dispose();
        _relayedPlaces.Dispose();
    }

    /// <summary>Dials from the listening port, in a fixed handshake role, until an address leads to the peer or the token ends.</summary>
    /// <exception cref="Libp2pException">None did.</exception>
    public async Task<NoiseChannel> PunchAsync(PeerId expected, IReadOnlyList<Multiaddr> addresses, bool isInitiator, CancellationToken cancellationToken)
    {
        StaggeredRace<NoiseChannel> race = new(context.Limits.ParallelDialsPerPeer, context.Time);
        foreach (Multiaddr address in addresses.Where(IsAllowed).Take(context.Limits.ParallelDialsPerPeer))
        {
            if (address.TryGetTcpEndPoint(out IPEndPoint? endPoint))
            {
                // All at the agreed moment.
                race.Add(TimeSpan.Zero, token => PunchOneAsync(expected, endPoint, isInitiator, token));
            }
        }

        return await race.RunAsync(cancellationToken)
            ?? throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No hole was punched to {expected}.");
    }

    private async Task<NoiseChannel> PunchOneAsync(PeerId expected, IPEndPoint endPoint, bool isInitiator, CancellationToken cancellationToken)
    {
        bool isTaken = false;
        for (TimeSpan pause = PunchPause; ; pause *= 2)
        {
            try
            {
                // An earlier connection may hold our port's pair for a minute more. From another one a NAT that is not strict, or none, still
                // lets us to the remote's listener, which waits for an initiator: it is of no use to the other side.
                IRawConnection connection = isTaken && isInitiator
                    ? await TcpTransport.DialFreshAsync(endPoint, cancellationToken)
                    : await tcp.PunchAsync(endPoint, cancellationToken);
                return await upgrader.UpgradeAsync(connection, isInitiator, expected, cancellationToken);
            }
            catch (Exception exception) when (exception is SocketException or Libp2pException { Code: not Libp2pErrorCode.PeerMismatch })
            {
                // A NAT or host that refuses what it does not expect: the other side's packet may only be on its way.
                isTaken = exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse or SocketError.AddressNotAvailable };
                Log.DialFailed(context.Logger, Multiaddr.FromEndPoint(endPoint), exception.Message);
                await Task.Delay(pause, context.Time, cancellationToken);
            }
        }
    }

    /// <summary>The peer itself said lately that it listens at these addresses: those that failed are worth one more try, within <see cref="DialBackoff.Renew"/>.</summary>
    public void Renew(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        foreach (Multiaddr address in addresses.Take(context.Limits.AddressesPerPeer))
        {
            Backoff.Renew(BackoffKey(peer, address));
        }
    }

    /// <summary>The user asks for the peer: one more try of each of these addresses is due now.</summary>
    public void Forgive(PeerId peer, IEnumerable<Multiaddr> addresses)
    {
        foreach (Multiaddr address in addresses)
        {
            Backoff.Forgive(BackoffKey(peer, address));
        }
    }

    /// <summary>Whether an address that came from others may be dialled.</summary>
    public bool IsAllowed(Multiaddr address) => address.IpAddress is not { } ip || IsAllowed(ip);

    private bool IsAllowed(IPAddress ip) => IpScopes.Of(ip) switch
    {
        IpScope.Public => true,
        IpScope.Unusable => false,
        _ => allowPrivate,
    };

    /// <param name="begun">Called when the dial has a place.</param>
    private async Task<NoiseChannel> DialOneAsync(PeerId? expected, Multiaddr address, bool isExplicit, Action begun, CancellationToken cancellationToken)
    {
        expected ??= address.Peer;
        try
        {
            NoiseChannel channel = TcpTransport.IsName(address)
                ? await DialNameAsync(expected, address, isExplicit, begun, cancellationToken)
                : await DialInPlaceAsync(expected, address, isExplicit, begun, cancellationToken);
            Backoff.Succeed(BackoffKey(expected, address));
            return channel;
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            Backoff.Fail(BackoffKey(expected, address), (exception as Libp2pException)?.Answered);
            Log.DialFailed(context.Logger, address, exception.Message);
            throw;
        }
    }

    private async Task<NoiseChannel> DialNameAsync(PeerId? expected, Multiaddr name, bool isExplicit, Action begun, CancellationToken cancellationToken)
    {
        // Strangers' names do not keep the user's waiting.
        IReadOnlyList<IPEndPoint> found = await (isExplicit ? _userNames : StrangersNames).ResolveAsync(name, cancellationToken);
        Multiaddr[] chosen = [.. (isExplicit ? found.Take(context.Limits.AddressesPerPeer) : ChooseOfStranger(found, IsAllowed)).Select(Multiaddr.FromEndPoint)];
        if (chosen.Length == 0)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"{name} has no address.");
        }

        StaggeredRace<NoiseChannel> race = new(context.Limits.ParallelDialsPerPeer, context.Time);
        foreach ((Multiaddr address, TimeSpan at) in DialSchedule.Of(chosen, context.Limits))
        {
            race.Add(at, token => DialInPlaceAsync(expected, address, isExplicit, begun, token));
        }

        if (await race.RunAsync(cancellationToken) is { } channel)
        {
            return channel;
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw new Libp2pException(
            (race.LastFailure as Libp2pException)?.Code ?? Libp2pErrorCode.DialFailed, $"{name} does not answer: {race.LastFailure?.Message}", race.LastFailure)
        {
            Answered = (race.LastFailure as Libp2pException)?.Answered,
        };
    }

    /// <summary>
    /// Of the addresses of a stranger's name one of each family: each name could lead to as many as its owner likes, and they need not be
    /// his. It may also lead into our own network.
    /// </summary>
    internal static IEnumerable<IPEndPoint> ChooseOfStranger(IEnumerable<IPEndPoint> found, Func<IPAddress, bool> isAllowed) =>
        found.Where(endPoint => isAllowed(endPoint.Address)).DistinctBy(endPoint => endPoint.AddressFamily);

    /// <summary>One socket, or one circuit, in a place of its own.</summary>
    private async Task<NoiseChannel> DialInPlaceAsync(PeerId? expected, Multiaddr address, bool isExplicit, Action begun, CancellationToken cancellationToken)
    {
        // A relayed dial waits for a dial of its relay: with places of the same kind, enough of them would wait for each other.
        SemaphoreSlim places = address.IsRelayed ? _relayedPlaces : _places;
        await places.WaitAsync(cancellationToken);
        begun();
        try
        {
            IRawConnection connection = await FindTransport(address)!.DialAsync(new DialTarget(address, expected, isExplicit), cancellationToken);
            return await upgrader.UpgradeAsync(connection, isInitiator: true, expected, cancellationToken);
        }
        finally
        {
            places.Release();
        }
    }

    private static NameResolver Resolver(ConnectionContext context) =>
        new(context.Limits.ParallelResolutions, static name => TcpTransport.ResolveAsync(name, CancellationToken.None));

    private TimeSpan WaitFor(PeerId? expected, Multiaddr address) => Backoff.WaitFor(BackoffKey(expected, address), expected);

    private string NothingToDial(PeerId? expected, Multiaddr[] usable)
    {
        string peer = expected?.ToString() ?? "the peer";
        return usable.Length == 0
            ? $"No address to dial is known of {peer}."
            : $"All {usable.Length} known addresses of {peer} failed a moment ago; the next try is in {usable.Min(address => WaitFor(expected, address)).TotalSeconds:0} s.";
    }

    private ITransport? FindTransport(Multiaddr address) => _transports.Find(transport => transport.CanDial(address));

    /// <summary>One address, whoever answers there; of a relay's address only the part that leads to this peer.</summary>
    private static Multiaddr BackoffKey(PeerId? expected, Multiaddr address) =>
        !address.IsRelayed ? address.WithoutPeer() : expected is null ? address : address.WithPeer(expected);

    private static partial class Log
    {
        [LoggerMessage(3021, LogLevel.Debug, "Dial of {Address} failed: {Reason}")]
        public static partial void DialFailed(ILogger logger, Multiaddr address, string reason);
    }
}
