using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>Dials one after the other, as RFC 8305 has it.</summary>
public sealed class DialScheduleTests
{
    private const string Relay = "/ip4/198.51.100.9/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/p2p-circuit";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Test]
    public void Of_TwoFamilies_TakesTurns_BeginningWithTheFirst()
    {
        Assert.That(
            Schedule("/ip4/8.8.8.1/tcp/1", "/ip4/8.8.8.2/tcp/1", "/ip4/8.8.8.3/tcp/1", "/ip6/2a00::1/tcp/1", "/dns/example.org/tcp/1"),
            Is.EqualTo(new[] { "/ip4/8.8.8.1/tcp/1 0", "/ip6/2a00::1/tcp/1 250", "/ip4/8.8.8.2/tcp/1 500", "/dns/example.org/tcp/1 750", "/ip4/8.8.8.3/tcp/1 1000" }));
    }

    [Test]
    public void Of_PrivateAddresses_GoesFaster() =>
        Assert.That(Schedule("/ip4/192.168.1.2/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/8.8.8.8/tcp/1"), Is.EqualTo(new[] { "/ip4/192.168.1.2/tcp/1 0", "/ip4/10.0.0.2/tcp/1 30", "/ip4/8.8.8.8/tcp/1 60" }));

    [Test]
    public void Of_Relays_ComeAfterTheirHeadStart_NotAfterAllDirectOnes()
    {
        string[] direct = [.. Enumerable.Range(1, 4).Select(i => $"/ip4/8.8.8.{i}/tcp/1")];
        Assert.That(Schedule([Relay, .. direct]), Is.EqualTo(new[] { $"{direct[0]} 0", $"{direct[1]} 250", $"{direct[2]} 500", $"{Relay} 500", $"{direct[3]} 750" }));
        Assert.That(Schedule(Relay), Is.EqualTo(new[] { $"{Relay} 0" }), "nothing to wait for");
    }

    /// <summary>A name of the user's own choice leads to all of its addresses; that of a stranger could be a hundred of somebody else's.</summary>
    [Test]
    public void ChooseOfStranger_ManyAddresses_TakesOneAllowedOfEachFamily()
    {
        IPEndPoint[] found = [.. Enumerable.Range(1, 16).SelectMany(i => new[] { IPEndPoint.Parse($"10.0.0.{i}:1"), IPEndPoint.Parse($"8.8.8.{i}:1"), IPEndPoint.Parse($"[2a00::{i}]:1") })];
        Assert.That(
            Dialer.ChooseOfStranger(found, ip => IpScopes.Of(ip) == IpScope.Public).Select(endPoint => endPoint.ToString()),
            Is.EqualTo(new[] { "8.8.8.1:1", "[2a00::1]:1" }));
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_ToAName_ReachesThePeer(CancellationToken cancellationToken)
    {
        await using Libp2pHost target = await TestHosts.StartAsync(), dialler = await StartAsync(TimeProvider.System);
        Multiaddr name = Multiaddr.Parse($"/dns4/localhost/tcp/{target.ListenEndPoints[0].Port}");
        dialler.AddAddresses(target.LocalPeer, [name], TimeSpan.FromHours(1));
        await dialler.ConnectAsync(target.LocalPeer, cancellationToken);
        Assert.That(dialler.Connections.Single().Peer, Is.EqualTo(target.LocalPeer));
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_FirstAddressIsSilent_TriesTheNextBesideItInItsTime(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost target = await TestHosts.StartAsync(), dialler = await StartAsync(time);
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        dialler.AddAddresses(target.LocalPeer, [Multiaddr.FromEndPoint((IPEndPoint)silent.LocalEndpoint), target.Addresses[0]], TimeSpan.FromHours(1));
        Task connect = dialler.ConnectAsync(target.LocalPeer, cancellationToken).AsTask();
        using Socket held = await silent.AcceptSocketAsync(cancellationToken);
        Assert.That(target.Connections, Is.Empty, "time stands still: the first one is alone");
        await time.AdvanceUntilAsync(connect, cancellationToken, TimeSpan.FromMilliseconds(10));
        Assert.That(dialler.Connections.Single().RemoteAddress, Is.EqualTo(target.Addresses[0]));
        await EndsAsync(held, cancellationToken);
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_NobodySpeaks_EndsAfterItsTime(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost dialler = await StartAsync(time);
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        Task connect = dialler.ConnectAsync(Multiaddr.FromEndPoint((IPEndPoint)silent.LocalEndpoint), cancellationToken).AsTask();
        using Socket held = await silent.AcceptSocketAsync(cancellationToken);
        DateTimeOffset before = time.GetUtcNow();
        await Assert.ThatAsync(
            () => time.AdvanceUntilAsync(connect, cancellationToken, TimeSpan.FromMilliseconds(500)), Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.TimedOut));
        Assert.That(time.GetUtcNow() - before, Is.GreaterThanOrEqualTo(new Libp2pLimits().DialTimeout));
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_MoreThanMayDialAtOnce_WaitsForAPlace(CancellationToken cancellationToken)
    {
        await using Libp2pHost target = await TestHosts.StartAsync(), dialler = await StartAsync(new ManualTimeProvider(), new Libp2pLimits { ParallelDials = 1 });
        using TcpListener silent = new(IPAddress.Loopback, 0);
        silent.Start();
        Task first = dialler.ConnectAsync(Multiaddr.FromEndPoint((IPEndPoint)silent.LocalEndpoint), cancellationToken).AsTask();
        Socket held = await silent.AcceptSocketAsync(cancellationToken);
        Task second = dialler.ConnectAsync(target.FullAddress(), cancellationToken).AsTask();
        Assert.That((first.IsCompleted, second.IsCompleted, target.Connections.Count), Is.EqualTo((false, false, 0)));
        held.Dispose();
        await Assert.ThatAsync(() => first, Throws.InstanceOf<Libp2pException>());
        await second;
        Assert.That(dialler.Connections.Single().Peer, Is.EqualTo(target.LocalPeer));
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_FirstAddressRefuses_TakesTheNextAtOnce(CancellationToken cancellationToken)
    {
        // Time stands still: only the refusal can begin the second dial.
        await using Libp2pHost target = await TestHosts.StartAsync(), dialler = await StartAsync(new ManualTimeProvider());
        dialler.AddAddresses(target.LocalPeer, [Multiaddr.Parse("/ip4/127.0.0.1/tcp/1"), target.Addresses[0]], TimeSpan.FromHours(1));
        await dialler.ConnectAsync(target.LocalPeer, cancellationToken);
        Assert.That(dialler.Connections.Single().RemoteAddress, Is.EqualTo(target.Addresses[0]));
    }

    [Test]
    public async Task Race_Won_CancelsTheOthers_AndDropsWhatTheyStillBring()
    {
        ManualTimeProvider time = new();
        TaskCompletionSource<Result> first = new(), late = new();
        StaggeredRace<Result> race = new(parallel: 2, time);
        race.Add(TimeSpan.Zero, _ => first.Task);
        race.Add(TimeSpan.FromSeconds(1), token =>
        {
            // It is cancelled too late to stop.
            token.Register(() => late.TrySetResult(new Result()));
            return late.Task;
        });
        Task<Result?> running = race.RunAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(1));
        Result winner = new();
        await Eventually.TrueAsync("both run", () => time.ArmedTimers == 0, Patience, CancellationToken.None);
        first.SetResult(winner);
        Assert.That(await running, Is.SameAs(winner));
        Assert.That((winner.IsDisposed, (await late.Task).IsDisposed), Is.EqualTo((false, true)));
    }

    /// <summary>RFC 8305, section 5: a failure is no reason to wait for the next turn, also while others still try.</summary>
    [Test]
    public async Task Race_OneFailsWhileAnotherRuns_BeginsTheNextAtOnce_AndTheRestKeepTheirDistance()
    {
        ManualTimeProvider time = new();
        Attempts attempts = new(parallel: 8, time);
        attempts.Add(seconds: 0);
        attempts.Add(seconds: 1);
        attempts.Add(seconds: 2);
        attempts.Add(seconds: 3);
        Task<Result?> running = attempts.Race.RunAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(1));
        await attempts.BegunAsync(2);
        attempts.Fail(1);
        await attempts.BegunAsync(3);
        await Eventually.TrueAsync("it waits for the fourth", () => time.ArmedTimers > 0, Patience, CancellationToken.None);
        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.That(attempts.Begun, Is.EqualTo(3), "a second after the third");
        time.Advance(TimeSpan.FromMilliseconds(1));
        await attempts.BegunAsync(4);
        attempts.Win(0);
        Assert.That(await running, Is.Not.Null);
    }

    [Test]
    public async Task Race_ADirectAddressFails_RelaysKeepTheirTime_UntilNothingElseRuns()
    {
        ManualTimeProvider time = new();
        Attempts attempts = new(parallel: 8, time);
        attempts.Add(seconds: 0);
        attempts.Add(seconds: 1);
        attempts.Add(seconds: 2, track: 1);
        Task<Result?> running = attempts.Race.RunAsync(CancellationToken.None);
        attempts.Fail(0);
        await attempts.BegunAsync(2);
        await Eventually.TrueAsync("it waits for the relay's turn", () => time.ArmedTimers > 0, Patience, CancellationToken.None);
        time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.That(attempts.Begun, Is.EqualTo(2), "a direct one still runs");
        attempts.Fail(1);
        await attempts.BegunAsync(3);
        attempts.Win(2);
        Assert.That(await running, Is.Not.Null);
    }

    [Test]
    public async Task Race_FailuresOneAfterTheOther_NeverRunMoreThanAllowed()
    {
        Attempts attempts = new(parallel: 2, new ManualTimeProvider());
        for (int i = 0; i < 6; i++)
        {
            attempts.Add(seconds: i);
        }

        Task<Result?> running = attempts.Race.RunAsync(CancellationToken.None);
        for (int i = 0; i < 6; i++)
        {
            await attempts.BegunAsync(i + 1);
            attempts.Fail(i);
        }

        Assert.That(await running, Is.Null);
        Assert.That(attempts.MostAtOnce, Is.EqualTo(1), "each began because the one before it had failed");
    }

    [Test]
    public async Task Race_Cancelled_BeginsNothingMore()
    {
        using CancellationTokenSource stop = new();
        int begun = 0;
        StaggeredRace<Result> race = new(parallel: 2, new ManualTimeProvider());
        for (int i = 0; i < 5; i++)
        {
            race.Add(TimeSpan.Zero, token =>
            {
                begun++;
                TaskCompletionSource<Result> pending = new();
                token.Register(() => pending.TrySetCanceled(token));
                return pending.Task;
            });
        }

        Task<Result?> running = race.RunAsync(stop.Token);
        await stop.CancelAsync();
        Assert.That(await running, Is.Null);
        Assert.That(begun, Is.EqualTo(2));
    }

    private static string[] Schedule(params string[] addresses) =>
        [.. DialSchedule.Of([.. addresses.Select(Multiaddr.Parse)], new Libp2pLimits()).Select(attempt => $"{attempt.Address} {attempt.At.TotalMilliseconds}")];

    /// <summary>The loser is hung up.</summary>
    private static async Task EndsAsync(Socket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, cancellationToken) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Reset: an end all the same.
        }
    }

    private static async Task<Libp2pHost> StartAsync(TimeProvider time, Libp2pLimits? limits = null)
    {
        Libp2pHost host = new(new Libp2pHostOptions
        {
            Identity = Ed25519PrivateKey.Generate(),
            AllowPrivateAddresses = true,
            TimeProvider = time,
            Limits = limits ?? new Libp2pLimits(),
        });
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    /// <summary>Attempts that end when the test says so.</summary>
    private sealed class Attempts(int parallel, TimeProvider time)
    {
        private readonly List<TaskCompletionSource<Result>> _all = [];
        private int _begun;
        private int _running;

        public StaggeredRace<Result> Race { get; } = new(parallel, time);

        public int Begun => Volatile.Read(ref _begun);

        public int MostAtOnce { get; private set; }

        public void Add(int seconds, int track = 0)
        {
            TaskCompletionSource<Result> attempt = new();
            _all.Add(attempt);
            Race.Add(
                TimeSpan.FromSeconds(seconds),
                token =>
                {
                    Interlocked.Increment(ref _begun);
                    MostAtOnce = Math.Max(MostAtOnce, Interlocked.Increment(ref _running));
                    token.Register(() => attempt.TrySetCanceled(token));
                    return attempt.Task;
                },
                track);
        }

        public Task BegunAsync(int count) => Eventually.TrueAsync($"{count} have begun", () => Begun == count, Patience, CancellationToken.None);

        public void Fail(int index)
        {
            Interlocked.Decrement(ref _running);
            _all[index].SetException(new IOException("refused"));
        }

        public void Win(int index) => _all[index].SetResult(new Result());
    }

    private sealed class Result : IAsyncDisposable
    {
        public bool IsDisposed { get; private set; }

        public ValueTask DisposeAsync()
        {
            IsDisposed = true;
            return ValueTask.CompletedTask;
        }
    }
}
