using System.Net;
using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat.Proto;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>Asks peers of different networks to dial us, one after the other, and keeps the verdict.</summary>
internal sealed partial class AutoNatClient : IAsyncDisposable
{
    private readonly AutoNatOptions _options;
    private readonly PeerSwarm _swarm;
    private readonly Func<IReadOnlyList<Multiaddr>> _addresses;
    private readonly ConnectionContext _context;
    private readonly ReachabilityTally _tally;
    private readonly Dictionary<string, (DateTimeOffset At, int Times)> _asked = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private ReachabilityReport _report = ReachabilityReport.None;
    private bool _isDoubted;
    private Task _loop = Task.CompletedTask;

    /// <param name="addresses">Direct addresses that we may be reachable at, best first.</param>
    public AutoNatClient(AutoNatOptions options, PeerSwarm swarm, Func<IReadOnlyList<Multiaddr>> addresses, ConnectionContext context)
    {
        _options = options;
        _swarm = swarm;
        _addresses = addresses;
        _context = context;
        _tally = new ReachabilityTally(options, context.Time);
    }

    /// <summary>Another verdict, or other verified addresses.</summary>
    public event Action? Changed;

    public ReachabilityReport Report => Volatile.Read(ref _report);

    public void Start() => _loop = Task.Run(AskAsync, CancellationToken.None);

    /// <summary>A peer that could be asked has appeared.</summary>
    public void Nudge() => _wake.Writer.TryWrite(true);

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private async Task AskAsync()
    {
        try
        {
            while (true)
            {
                List<PeerConnection> servers = [.. Servers()];
                bool areFew = Report.Verdict == Reachability.Unknown && servers.Count < _options.Confirmations;
                PeerConnection? next = servers
                    .OrderBy(connection => _asked.GetValueOrDefault(NetworkOf(connection)).At)
                    .FirstOrDefault(connection => DueAt(connection, areFew) <= _context.Time.GetUtcNow());
                if (next is not null && _swarm.ListenEndPoints.Count > 0)
                {
                    _asked[NetworkOf(next)] = (_context.Time.GetUtcNow(), _asked.GetValueOrDefault(NetworkOf(next)).Times + 1);
                    await AskAsync(next);
                    Forget();
                }

                Update(servers.Select(NetworkOf).Distinct().Count());
                await WaitAsync(next is not null, areFew && servers.Exists(IsFresh));
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>One connection a network: direct, outbound or not, to a peer that serves AutoNAT.</summary>
    private IEnumerable<PeerConnection> Servers() => _swarm.Connections.All
        .Where(connection => !connection.IsRelayed && connection.Identity?.Protocols.Contains(AutoNatOptions.Protocol) == true)
        .DistinctBy(NetworkOf);

    private DateTimeOffset DueAt(PeerConnection connection, bool areFew) =>
        _asked.GetValueOrDefault(NetworkOf(connection)).At + (areFew && IsFresh(connection) ? _options.ConfirmInterval : _options.RetryInterval);

    /// <summary>Whether its network was asked less often than a verdict needs.</summary>
    private bool IsFresh(PeerConnection connection) => _asked.GetValueOrDefault(NetworkOf(connection)).Times < _options.Confirmations;

    /// <summary>On loopback and in a private network every peer counts as one of its own.</summary>
    private static string NetworkOf(PeerConnection connection) => IpGroups.Narrow(connection.RemoteAddress) ?? connection.RemotePeer.ToString();

    private async Task WaitAsync(bool asked, bool confirms)
    {
        TimeSpan pause = Report.Verdict != Reachability.Unknown && !_isDoubted ? _options.RefreshInterval
            : asked ? _options.FirstInterval
            : confirms ? _options.ConfirmInterval
            : _options.RetryInterval;
        using CancellationTokenSource elapsed = new(pause, _context.Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(elapsed.Token, _stopping.Token);
        try
        {
            await _wake.Reader.ReadAsync(either.Token);
            // Identify is followed by our own answer and by more peers: one question is enough for all of them.
            await Task.Delay(_options.FirstInterval, _context.Time, _stopping.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            // Nobody woke it: time for the next question.
        }
    }

    private async Task AskAsync(PeerConnection connection)
    {
        using CancellationTokenSource timeout = new(_options.DialTimeout + _options.DialTimeout, _context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _stopping.Token);
        try
        {
            await using PeerStream stream = await connection.OpenStreamAsync([AutoNatOptions.Protocol], optimistic: true, stop.Token);
            await LengthPrefixed.WriteAsync(stream, CreateRequest(connection), stop.Token);
            AutoNatMessage? answer = await LengthPrefixed.ReadAsync(stream, AutoNatMessage.Parser, _options.MaxMessageLength, stop.Token);
            await stream.CloseWriteAsync(stop.Token);
            Take(connection, answer?.DialResponse);
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !_stopping.IsCancellationRequested))
        {
            Log.NotAnswered(_context.Logger, connection.RemotePeer, exception.Message);
        }
    }

    private AutoNatMessage CreateRequest(PeerConnection connection)
    {
        AutoNatMessage.Types.PeerInfo self = new() { Id = ByteString.CopyFrom(_swarm.LocalPeer.Bytes) };
        self.Addrs.AddRange(Candidates(connection).Distinct().Take(_options.AddressesPerRequest).Select(address => ByteString.CopyFrom(address.Bytes)));
        return new AutoNatMessage { Type = AutoNatMessage.Types.Type.Dial, Dial = new AutoNatMessage.Types.Dial { Peer = self } };
    }

    /// <summary>The server dials only the IP it sees us at: that one, with the port it sees and with those we listen on; then the rest.</summary>
    private IEnumerable<Multiaddr> Candidates(PeerConnection connection)
    {
        if (connection.ObservedAddress is { } observed && observed.TryGetTcpEndPoint(out IPEndPoint? seen))
        {
            foreach (IPEndPoint listening in _swarm.ListenEndPoints.Where(endPoint => endPoint.AddressFamily == seen.AddressFamily))
            {
                yield return Multiaddr.FromEndPoint(new IPEndPoint(seen.Address, listening.Port));
            }

            if (connection.IsOutbound && _swarm.ListenEndPoints.Count > 0)
            {
                yield return observed;
            }
        }

        foreach (Multiaddr address in _addresses())
        {
            yield return address;
        }
    }

    private void Take(PeerConnection connection, AutoNatMessage.Types.DialResponse? answer)
    {
        switch (answer)
        {
            case { HasStatus: true, Status: AutoNatMessage.Types.Status.Ok }:
                if (Multiaddr.TryFromBytes(answer.Addr.Span, out Multiaddr? reached) && Candidates(connection).Contains(reached.WithoutPeer()))
                {
                    Count(connection, reached.WithoutPeer());
                }

                break;
            case { HasStatus: true, Status: AutoNatMessage.Types.Status.EDialError }:
                Count(connection, reached: null);
                break;
            default:
                Log.NotAnswered(_context.Logger, connection.RemotePeer, answer?.StatusText ?? "no answer");
                break;
        }
    }

    private void Count(PeerConnection connection, Multiaddr? reached)
    {
        _tally.Add(NetworkOf(connection), reached);
        _isDoubted = Report.Verdict == (reached is null ? Reachability.Public : Reachability.Private);
    }

    private void Forget()
    {
        DateTimeOffset old = _context.Time.GetUtcNow() - _options.AnswerTimeToLive;
        foreach (string network in _asked.Where(asked => asked.Value.At < old).Select(asked => asked.Key).ToList())
        {
            _asked.Remove(network);
        }
    }

    private void Update(int networks)
    {
        ReachabilityReport last = Report, next = _tally.Report(networks, last.Verdict);
        Volatile.Write(ref _report, next);
        if (next.Verdict != last.Verdict)
        {
            Log.Verdict(_context.Logger, next.Verdict, next.Successes, next.Failures);
        }

        if (next.Verdict != last.Verdict || !next.Verified.SequenceEqual(last.Verified))
        {
            Changed?.Invoke();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3191, LogLevel.Information, "Reachability is {Verdict} ({Successes} networks reached us, {Failures} did not)")]
        public static partial void Verdict(ILogger logger, Reachability verdict, int successes, int failures);

        [LoggerMessage(3192, LogLevel.Debug, "No dial back by {Peer}: {Reason}")]
        public static partial void NotAnswered(ILogger logger, PeerId peer, string reason);
    }
}
