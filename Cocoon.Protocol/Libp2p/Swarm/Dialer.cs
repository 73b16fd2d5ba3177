using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Dials the addresses of a peer side by side; the first that proves to be the peer wins.</summary>
internal sealed partial class Dialer(TcpTransport transport, Upgrader upgrader, ConnectionContext context, bool allowPrivate) : IDisposable
{
    private readonly SemaphoreSlim _places = new(context.Limits.ParallelDials);

    public DialBackoff Backoff { get; } = new(context.Limits, context.Time);

    /// <param name="expected">The peer; <c>null</c> takes whoever answers.</param>
    /// <param name="isExplicit">The user named the address: no back-off, no filter.</param>
    /// <exception cref="Libp2pException">No address is usable, or none answered as the peer.</exception>
    public async Task<NoiseChannel> DialAsync(PeerId? expected, IEnumerable<Multiaddr> addresses, bool isExplicit, CancellationToken cancellationToken)
    {
        Queue<Multiaddr> waiting = new(addresses
            .Where(address => TcpTransport.CanDial(address) && (isExplicit || (IsAllowed(address) && !Backoff.IsBlocked(address))))
            .Take(context.Limits.AddressesPerPeer));
        if (waiting.Count == 0)
        {
            throw new Libp2pException(Libp2pErrorCode.DialFailed, $"No address to dial is known of {expected?.ToString() ?? "the peer"}, or all failed a moment ago.");
        }

        using CancellationTokenSource timeout = new(context.Limits.DialTimeout, context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        List<Task<NoiseChannel>> running = [];
        List<Multiaddr> tried = [];
        Exception? last = null;
        while (waiting.Count > 0 || running.Count > 0)
        {
            while (running.Count < context.Limits.ParallelDialsPerPeer && waiting.TryDequeue(out Multiaddr? address))
            {
                tried.Add(address);
                running.Add(DialOneAsync(expected, address, isExplicit, stop.Token));
            }

            Task<NoiseChannel> done = await Task.WhenAny(running);
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
            tried.ForEach(Backoff.Fail);
        }

        throw new Libp2pException(
            timeout.IsCancellationRequested ? Libp2pErrorCode.TimedOut : (last as Libp2pException)?.Code ?? Libp2pErrorCode.DialFailed,
            $"No address of {expected?.ToString() ?? "the peer"} answered: {last?.Message ?? "time is up"}",
            last);
    }

    public void Dispose() => _places.Dispose();

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
        await _places.WaitAsync(cancellationToken);
        try
        {
            // A name of a stranger may resolve to an address inside of our network.
            IRawConnection connection = await transport.DialAsync(address, isExplicit ? static _ => true : IsAllowed, cancellationToken);
            NoiseChannel channel = await upgrader.UpgradeAsync(connection, isInitiator: true, expected ?? address.Peer, cancellationToken);
            Backoff.Succeed(address);
            return channel;
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            Backoff.Fail(address);
            Log.DialFailed(context.Logger, address, exception.Message);
            throw;
        }
        finally
        {
            _places.Release();
        }
    }

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
