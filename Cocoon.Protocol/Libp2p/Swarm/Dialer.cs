using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Dials the addresses of a peer side by side; the first that proves to be the peer wins.</summary>
internal sealed partial class Dialer(TcpTransport tcp, Upgrader upgrader, ConnectionContext context, bool allowPrivate) : IDisposable
{
    /// <summary>Before the second connect to an address while a hole is punched, then doubled: the remote chose the address.</summary>
    private static readonly TimeSpan PunchPause = TimeSpan.FromMilliseconds(100);

    private readonly List<ITransport> _transports = [tcp];
    private readonly SemaphoreSlim _places = new(context.Limits.ParallelDials);
    private readonly SemaphoreSlim _relayedPlaces = new(context.Limits.ParallelDials);

    public DialBackoff Backoff { get; } = new(context.Limits, context.Time);

    /// <summary>Adds a transport; before the first dial.</summary>
    public void Add(ITransport transport) => _transports.Add(transport);

    /// <param name="expected">The peer; <c>null</c> takes whoever answers.</param>
    /// <param name="isExplicit">The user named the address: no back-off, no filter.</param>
    /// <exception cref="Libp2pException">No address is usable, or none answered as the peer.</exception>
    public async Task<NoiseChannel> DialAsync(PeerId? expected, IEnumerable<Multiaddr> addresses, bool isExplicit, CancellationToken cancellationToken)
    {
        Queue<Multiaddr> waiting = new(addresses
            .Where(address => FindTransport(address) is not null && (isExplicit || (IsAllowed(address) && !Backoff.IsBlocked(BackoffKey(expected, address)))))
            .Take(context.Limits.AddressesPerPeer)
            .OrderBy(address => address.IsRelayed));
        if (waiting.Count == 0)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address to dial is known of {expected?.ToString() ?? "the peer"}, or all failed a moment ago.");
        }

        using CancellationTokenSource timeout = new(context.Limits.DialTimeout, context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        List<Task<NoiseChannel>> running = [];
        List<Multiaddr> tried = [];
        Exception? last = null;
        // A relay's bytes are somebody else's: it is used when the direct way does not answer at once.
        Task headStart = waiting.Peek().IsRelayed ? Task.CompletedTask : Task.Delay(context.Limits.RelayDialDelay, context.Time, stop.Token);
        while (waiting.Count > 0 || running.Count > 0)
        {
            while (running.Count < context.Limits.ParallelDialsPerPeer
                && waiting.TryPeek(out Multiaddr? address)
                && (!address.IsRelayed || running.Count == 0 || headStart.IsCompleted))
            {
                tried.Add(waiting.Dequeue());
                running.Add(DialOneAsync(expected, address, isExplicit, stop.Token));
            }

            Task<NoiseChannel> done;
            if (waiting.Count > 0 && !headStart.IsCompleted)
            {
                Task first = await Task.WhenAny([.. running, headStart]);
                if (first == headStart)
                {
                    continue;
                }

                done = (Task<NoiseChannel>)first;
            }
            else
            {
                done = await Task.WhenAny(running);
            }

            running.Remove(done);
            if (done.IsCompletedSuccessfully)
            {
                await stop.CancelAsync();
                await DropAsync(running);
                return done.Result;
            }

            last = done.Exception?.InnerException ?? last;
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (timeout.IsCancellationRequested)
        {
            // Silence is a failure too; an address that refused was counted already and only waits longer.
            tried.ForEach(address => Backoff.Fail(BackoffKey(expected, address)));
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
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task<NoiseChannel>> running = [];
        foreach (Multiaddr address in addresses.Where(IsAllowed))
        {
            if (running.Count < context.Limits.ParallelDialsPerPeer && address.TryGetTcpEndPoint(out IPEndPoint? endPoint))
            {
                running.Add(PunchOneAsync(expected, endPoint, isInitiator, stop.Token));
            }
        }

        while (running.Count > 0)
        {
            Task<NoiseChannel> done = await Task.WhenAny(running);
            running.Remove(done);
            if (done.IsCompletedSuccessfully)
            {
                await stop.CancelAsync();
                await DropAsync(running);
                return done.Result;
            }
        }

        throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No hole was punched to {expected}.");
    }

    private async Task<NoiseChannel> PunchOneAsync(PeerId expected, IPEndPoint endPoint, bool isInitiator, CancellationToken cancellationToken)
    {
        for (TimeSpan pause = PunchPause; ; pause *= 2)
        {
            try
            {
                IRawConnection connection = await tcp.PunchAsync(endPoint, cancellationToken);
                return await upgrader.UpgradeAsync(connection, isInitiator, expected, cancellationToken);
            }
            catch (Exception exception) when (exception is SocketException or Libp2pException { Code: not Libp2pErrorCode.PeerMismatch })
            {
                // A NAT or host that refuses what it does not expect: the other side's packet may only be on its way.
                Log.DialFailed(context.Logger, Multiaddr.FromEndPoint(endPoint), exception.Message);
                await Task.Delay(pause, context.Time, cancellationToken);
            }
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

    private async Task<NoiseChannel> DialOneAsync(PeerId? expected, Multiaddr address, bool isExplicit, CancellationToken cancellationToken)
    {
        // A relayed dial waits for a dial of its relay: with places of the same kind, enough of them would wait for each other.
        SemaphoreSlim places = address.IsRelayed ? _relayedPlaces : _places;
        await places.WaitAsync(cancellationToken);
        try
        {
            expected ??= address.Peer;
            // A name of a stranger may resolve to an address inside of our network.
            DialTarget target = new(address, expected, isExplicit, isExplicit ? static _ => true : IsAllowed);
            IRawConnection connection = await FindTransport(address)!.DialAsync(target, cancellationToken);
            NoiseChannel channel = await upgrader.UpgradeAsync(connection, isInitiator: true, expected, cancellationToken);
            Backoff.Succeed(BackoffKey(expected, address));
            return channel;
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            Backoff.Fail(BackoffKey(expected, address));
            Log.DialFailed(context.Logger, address, exception.Message);
            throw;
        }
        finally
        {
            places.Release();
        }
    }

    private ITransport? FindTransport(Multiaddr address) => _transports.Find(transport => transport.CanDial(address));

    /// <summary>One address, whoever answers there; of a relay's address only the part that leads to this peer.</summary>
    private static Multiaddr BackoffKey(PeerId? expected, Multiaddr address) =>
        !address.IsRelayed ? address.WithoutPeer() : expected is null ? address : address.WithPeer(expected);

    private static async Task DropAsync(List<Task<NoiseChannel>> losers)
    {
        foreach (Task<NoiseChannel> loser in losers)
        {
            await loser.ContinueWith(static done => done.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            if (loser.IsCompletedSuccessfully)
            {
                await loser.Result.DisposeAsync();
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3111, LogLevel.Debug, "Dial of {Address} failed: {Reason}")]
        public static partial void DialFailed(ILogger logger, Multiaddr address, string reason);
    }
}
