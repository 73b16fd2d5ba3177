using System.Security.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

/// <summary>Circuit relay v2 between our own hosts over loopback.</summary>
public sealed class RelayTests : ReachabilityTests
{
    [Test, CancelAfter(60_000)]
    public async Task Reservation_ByListeningAddress_IsAnnouncedAndLeadsToThePeer(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(listen: $"{relay.FullAddress()}/p2p-circuit"));
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        await Eventually.TrueAsync("reservation", () => listener.Addresses.Any(address => address.IsRelayed), Patience, cancellationToken);
        HeldReservation held = listener.HeldReservations.Single();
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        byte[] data = RandomNumberGenerator.GetBytes(50_000);
        byte[] echo = await EchoAsync(dialler, listener, data, cancellationToken);
        PeerConnectionInfo there = dialler.Connections.Single(c => c.Peer == listener.LocalPeer), back = listener.Connections.Single(c => c.Peer == dialler.LocalPeer);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(echo.AsSpan().SequenceEqual(data), Is.True);
            Assert.That(held.HasVoucher, Is.True);
            Assert.That(listener.Addresses[^1], Is.EqualTo(listener.Through(relay).WithoutPeer()));
            Assert.That(there.IsRelayed && back.IsRelayed, Is.True);
            Assert.That(there.RemoteAddress.Relay, Is.EqualTo(relay.LocalPeer));
            Assert.That(back.RemoteAddress.Relay, Is.EqualTo(relay.LocalPeer));
            Assert.That(there.IsOutbound && !back.IsOutbound, Is.True);
            Assert.That(relay.RelayService!.Reservations.Single().Peer, Is.EqualTo(listener.LocalPeer));
            Assert.That(relay.RelayService!.Circuits.Single().Source, Is.EqualTo(dialler.LocalPeer));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task RelayedAddress_ThatIdentifyTold_IsDialledWhenTheDirectOneFails(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync());
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        dialler.AddAddresses(
            listener.LocalPeer, [Multiaddr.Parse("/ip4/127.0.0.1/tcp/9"), listener.Through(relay).WithoutPeer()], TimeSpan.FromMinutes(1));
        await dialler.ConnectAsync(listener.LocalPeer, cancellationToken);
        Assert.That(dialler.Connections.Single(c => c.Peer == listener.LocalPeer).IsRelayed, Is.True);
    }

    [Test, CancelAfter(60_000)]
    public async Task Reservation_IsRenewedAtHalfItsLife_AndEndsWithTheRelay(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        // Keep-alive answers need real time, which this clock does not wait for.
        Libp2pLimits quiet = RelayHosts.Limits with { KeepAliveInterval = TimeSpan.FromHours(10) };
        Libp2pHost relay = await AddAsync(RelayHosts.StartAsync(relay: new RelayLimits(), limits: quiet, time: time));
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(limits: quiet, time: time));
        HeldReservation first = await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await Eventually.TrueAsync(
            "renewal",
            () =>
            {
                time.Advance(TimeSpan.FromMinutes(1));
                return listener.HeldReservations.Single().Expires > first.Expires;
            },
            Patience,
            cancellationToken);
        Assert.That(time.GetUtcNow(), Is.LessThan(first.Expires));
        await relay.DisposeAsync();
        await Eventually.TrueAsync("the address is withdrawn", () => !listener.Addresses.Any(address => address.IsRelayed), Patience, cancellationToken);
        Assert.That(listener.HeldReservations, Is.Empty);
    }

    /// <summary>The loop gives up what it chose itself once it is not needed, at whatever moment it looks.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Reservation_OfANamedRelay_IsNeverGivenUpBecauseNoneIsNeeded(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        TimeSpan interval = TimeSpan.FromMilliseconds(1);
        RoundCounter rounds = new(interval);
        Libp2pHost host = await AddAsync(RelayHosts.StartAsync(client: new RelayClientOptions { Interval = interval }, time: rounds));
        bool looked = false;

        // Called in the middle of the reservation: the loop comes by three times before that goes on.
        void Look() => looked = rounds.Pass(3);
        host.AddressesChanged += Look;
        await host.ReserveAsync(relay.FullAddress(), cancellationToken);
        host.AddressesChanged -= Look;
        Assert.That(looked, Is.True);
        Assert.That(host.HeldReservations, Has.Count.EqualTo(1));
    }

    /// <summary>A clock that stands still and knows when a loop has come to its pause of this length.</summary>
    private sealed class RoundCounter(TimeSpan interval) : TimeProvider
    {
        private readonly ManualTimeProvider _time = new();
        private readonly object _gate = new();
        private int _pauses;

        public override long TimestampFrequency => _time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => _time.GetUtcNow();

        public override long GetTimestamp() => _time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = _time.CreateTimer(callback, state, dueTime, period);
            if (dueTime == interval)
            {
                lock (_gate)
                {
                    _pauses++;
                    Monitor.Pulse(_gate);
                }
            }

            return timer;
        }

        /// <summary>Blocks until the loop has begun so many further rounds; <c>false</c> when it does not come.</summary>
        public bool Pass(int rounds)
        {
            for (int i = 0; i <= rounds; i++)
            {
                lock (_gate)
                {
                    while (_pauses == 0)
                    {
                        if (!Monitor.Wait(_gate, Patience))
                        {
                            return false;
                        }
                    }

                    _pauses--;
                }

                _time.Advance(interval);
            }

            return true;
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task CircuitSearch_ReservesAtAConnectedRelay(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(listen: "/p2p-circuit"));
        await listener.ConnectAsync(relay.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("reservation", () => listener.Addresses.Any(address => address.IsRelayed), Patience, cancellationToken);
    }

    [Test, CancelAfter(60_000)]
    public async Task CircuitSearch_WithoutConnectedRelays_AsksTheCandidates(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        RelayClientOptions options = new() { Candidates = () => [relay.FullAddress()], Interval = TimeSpan.FromMilliseconds(100) };
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(listen: "/p2p-circuit", client: options));
        await Eventually.TrueAsync("reservation", () => listener.Addresses.Any(address => address.IsRelayed), Patience, cancellationToken);
    }

    [Test, CancelAfter(60_000)]
    public async Task LimitedCircuit_RefusesProtocolsThatAreNotForIt(CancellationToken cancellationToken)
    {
        Libp2pLimits narrow = new();
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(limits: narrow));
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync()), strict = await AddAsync(RelayHosts.StartAsync(limits: narrow));
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        // Identify would tell the direct address, and the stream would rightly go there.
        listener.SetExternalAddresses("listen", []);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        await strict.ConnectAsync(listener.Through(relay), cancellationToken);
        await dialler.PingAsync(listener.LocalPeer, cancellationToken);
        Libp2pException refusedThere = (await Assert.ThrowsAsync<Libp2pException>(() => EchoAsync(dialler, listener, [1], cancellationToken)))!;
        Libp2pException refusedHere = (await Assert.ThrowsAsync<Libp2pException>(() => EchoAsync(strict, listener, [1], cancellationToken)))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refusedThere.Code, Is.AnyOf(Libp2pErrorCode.ProtocolNotSupported, Libp2pErrorCode.StreamReset));
            Assert.That(refusedHere.Code, Is.EqualTo(Libp2pErrorCode.DialFailed), "only a direct connection would do, and none is known");
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Circuit_AboveItsDataLimit_IsResetAndTheRelayGoesOn(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(new RelayLimits { CircuitData = 64 * 1024 }));
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync());
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        await Assert.ThrowsAsync<Libp2pException>(() => EchoAsync(dialler, listener, new byte[256 * 1024], cancellationToken));
        await Eventually.TrueAsync("the circuit is gone", () => relay.RelayService!.Circuits.Count == 0, Patience, cancellationToken);
        Assert.That(relay.RelayService!.Counters.BytesRelayed, Is.LessThanOrEqualTo(2 * 64 * 1024));
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        Assert.That(await EchoAsync(dialler, listener, [1, 2, 3], cancellationToken), Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    [Test, CancelAfter(60_000)]
    public async Task Circuit_AtTheEndOfItsTime_IsReset(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(time: time));
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync(time: time));
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        time.Advance(TimeSpan.FromMinutes(2));
        await Eventually.TrueAsync("the circuit is gone", () => dialler.Connections.All(c => c.Peer != listener.LocalPeer), Patience, cancellationToken);
    }

    [Test, CancelAfter(60_000)]
    public async Task CircuitToAPeerThatServesInference_HasTheLargerLimit(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync());
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        listener.Handle("/cocoon/infer/1.0.0", TestHosts.EchoAsync);
        Task<PeerEvent.Identified> known = relay.NextAsync<PeerEvent.Identified>(cancellationToken);
        await listener.ConnectAsync(relay.FullAddress(), cancellationToken);
        await known;
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        byte[] data = RandomNumberGenerator.GetBytes(1024 * 1024);
        Assert.That((await EchoAsync(dialler, listener, data, cancellationToken)).AsSpan().SequenceEqual(data), Is.True);
        Assert.That(relay.RelayService!.Circuits.Single().Limit.Data, Is.EqualTo(64L * 1024 * 1024));
        Assert.That(relay.RelayService!.Circuits.Single().Limit.Duration, Is.EqualTo(TimeSpan.FromHours(1)));
    }

    [Test, CancelAfter(60_000)]
    public async Task RelayedConnection_BesideADirectOne_ClosesOnceNothingRunsOnIt(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync());
        Libp2pHost dialler = await AddAsync(RelayHosts.StartAsync());
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        await using IPeerStream kept = await dialler.OpenStreamAsync(listener.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        await dialler.ConnectAsync(listener.FullAddress(), cancellationToken);
        Assert.That(dialler.Connections.Count(c => c.Peer == listener.LocalPeer), Is.EqualTo(2), "a stream runs on the relayed one");
        await using (IPeerStream fresh = await dialler.OpenStreamAsync(listener.LocalPeer, [TestHosts.EchoProtocol], cancellationToken))
        {
            Assert.That(await TestHosts.ExchangeAsync(fresh, [4], cancellationToken), Is.EqualTo(new byte[] { 4 }));
        }

        Assert.That(await TestHosts.ExchangeAsync(kept, [5], cancellationToken), Is.EqualTo(new byte[] { 5 }));
        await Eventually.TrueAsync(
            "only the direct one is left", () => dialler.Connections.Where(c => c.Peer == listener.LocalPeer).All(c => !c.IsRelayed), Patience, cancellationToken);
    }

    private static async Task<byte[]> EchoAsync(Libp2pHost from, Libp2pHost to, byte[] data, CancellationToken cancellationToken)
    {
        await using IPeerStream stream = await from.OpenStreamAsync(to.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        return await TestHosts.ExchangeAsync(stream, data, cancellationToken);
    }
}
