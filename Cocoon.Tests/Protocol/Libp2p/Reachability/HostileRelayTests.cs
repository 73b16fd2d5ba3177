using System.Net;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

/// <summary>What relays, and those reached through them, must withstand.</summary>
public sealed class HostileRelayTests : ReachabilityTests
{
    [Test, CancelAfter(60_000)]
    public async Task ReservationFlood_TakesOnlyThePlacesThereAre(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(new RelayLimits { Reservations = 3 }));
        int granted = 0;
        for (int i = 0; i < 8; i++)
        {
            Libp2pHost peer = await AddAsync(RelayHosts.StartAsync());
            HopMessage answer = await AskAsync(peer, relay, Reserve, cancellationToken);
            Assert.That(answer.Status, Is.EqualTo(i < 3 ? CircuitStatus.Ok : CircuitStatus.ReservationRefused));
            granted += answer.Status == CircuitStatus.Ok ? 1 : 0;
        }

        Assert.That(relay.RelayService!.Reservations, Has.Count.EqualTo(granted));
        await Hosts[1].DisposeAsync();
        await Eventually.TrueAsync("the place is free", () => relay.RelayService!.Reservations.Count == 2, Patience, cancellationToken);
        Assert.That((await AskAsync(Hosts[^1], relay, Reserve, cancellationToken)).Status, Is.EqualTo(CircuitStatus.Ok));
    }

    [Test, CancelAfter(60_000)]
    public async Task ReservationRequests_AboveTheirRate_AreRefused(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(new RelayLimits { RequestsPerPeerAndHour = 5 }));
        Libp2pHost peer = await AddAsync(RelayHosts.StartAsync());
        List<CircuitStatus> answers = [];
        for (int i = 0; i < 8; i++)
        {
            answers.Add((await AskAsync(peer, relay, Reserve, cancellationToken)).Status);
        }

        Assert.That(answers.Count(status => status == CircuitStatus.Ok), Is.EqualTo(5));
        Assert.That(relay.RelayService!.Reservations, Has.Count.EqualTo(1), "what was granted before stays");
    }

    [Test]
    public void Reservations_OfOneAddressOrNetwork_AreBounded()
    {
        ReservationTable table = new(new RelayLimits(), exemptPrivate: false, TimeProvider.System);
        int sameAddress = Enumerable.Range(0, 50).Count(i => Add(Multiaddr.Parse($"/ip4/44.1.2.3/tcp/{1000 + i}")));
        int sameNetwork = Enumerable.Range(4, 200).Count(i => Add(Multiaddr.Parse($"/ip4/44.1.3.{i}/tcp/1")));
        int sameSite = Enumerable.Range(0, 50).Count(i => Add(Multiaddr.Parse($"/ip6/2a00:1:1:1:{i:x}::1/tcp/1")));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sameAddress, Is.EqualTo(8));
            Assert.That(sameAddress + sameNetwork, Is.EqualTo(32));
            Assert.That(sameSite, Is.EqualTo(8), "an IPv6 /56 is one customer");
        }

        bool Add(Multiaddr address)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            return table.TryAdd(PeerId.FromPublicKey(key.PublicKey), address, out _);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Circuits_AboveThePeersLimit_AreRefused(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(new RelayLimits { CircuitsPerPeer = 2 }));
        Libp2pHost listener = await AddAsync(RelayHosts.StartAsync()), dialler = await AddAsync(RelayHosts.StartAsync());
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        List<IPeerStream> open = [];
        for (int i = 0; i < 4; i++)
        {
            IPeerStream stream = await OpenHopAsync(dialler, relay, cancellationToken);
            open.Add(stream);
            await LengthPrefixed.WriteAsync(stream, Connect(listener.LocalPeer), cancellationToken);
            HopMessage answer = (await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, 4096, cancellationToken))!;
            Assert.That(answer.Status, Is.EqualTo(i < 2 ? CircuitStatus.Ok : CircuitStatus.ResourceLimitExceeded));
        }

        open.ForEach(stream => stream.Reset());
        await Eventually.TrueAsync("the places are free", () => relay.RelayService!.Circuits.Count == 0, Patience, cancellationToken);
    }

    /// <summary>Circuits to peers that serve inference live for an hour: sixteen made-up peers could have all of them.</summary>
    [Test]
    public void Circuits_OfOneAddress_AreAnEighth_OnEitherSide()
    {
        CircuitTable table = new(new RelayLimits());
        IPAddress near = IPAddress.Parse("44.1.2.3");
        List<Circuit> there = [.. Enumerable.Range(0, 64).Select(i => New(near, new IPAddress([50, 1, 1, (byte)i])))];
        List<Circuit> back = [.. Enumerable.Range(0, 64).Select(i => New(new IPAddress([60, 1, 1, (byte)i]), near))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(there.Count(table.TryAdd), Is.EqualTo(32));
            Assert.That(back.Count(table.TryAdd), Is.EqualTo(32));
            Assert.That(table.TryAdd(New(IPAddress.Parse("70.1.1.1"), IPAddress.Parse("71.1.1.1"))), Is.True);
            table.Remove(there[0]);
            Assert.That(table.TryAdd(there[63]), Is.True);
            Assert.That(table.All, Has.Count.EqualTo(65));
        }

        static Circuit New(IPAddress from, IPAddress to) => new(new StreamOwner(NewPeer(), from), new StreamOwner(NewPeer(), to), new CircuitLimit(null, null), TimeProvider.System);

        static PeerId NewPeer()
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            return PeerId.FromPublicKey(key.PublicKey);
        }
    }

    /// <summary>Anybody may announce inference: what that is worth on a relay in an hour ends, for one source before one destination, and for one destination before all.</summary>
    [Test]
    public void InferenceAllowance_IsUsedUp_BySourceByDestinationAndInAll()
    {
        ManualTimeProvider time = new();
        RelayLimits limits = new();
        InferenceAllowance allowance = new(limits, time);
        StreamOwner greedy = Owner(1), provider = Owner(100);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Circuits(greedy, provider, 10), Is.EqualTo(4));
            Assert.That(Circuits(greedy, Owner(101), 10), Is.Zero, "nor to another destination");
            Assert.That(Enumerable.Range(2, 20).Sum(i => Circuits(Owner(i), provider, 4)), Is.EqualTo(28), "2 GiB in all to the provider");
            Assert.That(Enumerable.Range(30, 70).Sum(i => Circuits(Owner(i), Owner(i + 100), 4)), Is.EqualTo(224), "16 GiB in all");
            time.Advance(TimeSpan.FromMinutes(15));
            Assert.That(Circuits(greedy, Owner(101), 10), Is.EqualTo(1), "a quarter of it comes back in a quarter of an hour");
        }

        StreamOwner Owner(int number)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            return new StreamOwner(PeerId.FromPublicKey(key.PublicKey), new IPAddress([44, 1, 1, (byte)number]));
        }

        int Circuits(StreamOwner from, StreamOwner to, int count) => Enumerable.Range(0, count).Count(_ => allowance.TryTake(from, to, limits.InferenceCircuitData));
    }

    [Test, CancelAfter(60_000)]
    public async Task CircuitsToWhoAnnouncesInference_AboveTheHoursAllowance_AreOrdinaryOnes(CancellationToken cancellationToken)
    {
        RelayLimits limits = new() { InferenceDataPerHour = 512 * 1024 };
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(limits)), listener = await AddAsync(RelayHosts.StartAsync()), dialler = await AddAsync(RelayHosts.StartAsync());
        listener.Handle("/cocoon/infer/1.0.0", TestHosts.EchoAsync);
        Task<PeerEvent.Identified> known = relay.NextAsync<PeerEvent.Identified>(cancellationToken);
        await listener.ConnectAsync(relay.FullAddress(), cancellationToken);
        await known;
        await listener.ReserveAsync(relay.FullAddress(), cancellationToken);
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        Assert.That(relay.RelayService!.Circuits.Single().Limit.Data, Is.EqualTo(limits.InferenceCircuitData));
        await Assert.ThatAsync(() => EchoAsync(new byte[1024 * 1024]), Throws.InstanceOf<IOException>());
        await Eventually.TrueAsync("the circuit is gone", () => relay.RelayService!.Circuits.Count == 0, Patience, cancellationToken);
        Assert.That(relay.RelayService!.Counters.BytesRelayed, Is.LessThan(limits.InferenceDataPerHour));
        await dialler.ConnectAsync(listener.Through(relay), cancellationToken);
        Assert.That(await EchoAsync([1, 2, 3]), Is.EqualTo(new byte[] { 1, 2, 3 }));
        Assert.That(relay.RelayService!.Circuits.Single().Limit.Data, Is.EqualTo(limits.CircuitData));

        async Task<byte[]> EchoAsync(byte[] data)
        {
            await using IPeerStream stream = await dialler.OpenStreamAsync(listener.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
            return await TestHosts.ExchangeAsync(stream, data, cancellationToken);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_ToOneselfToTheRelayOrWithoutReservation_IsRefused(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost peer = await AddAsync(RelayHosts.StartAsync()), other = await AddAsync(RelayHosts.StartAsync());
        await peer.ReserveAsync(relay.FullAddress(), cancellationToken);
        await other.ConnectAsync(relay.FullAddress(), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((await AskAsync(peer, relay, Connect(peer.LocalPeer), cancellationToken)).Status, Is.EqualTo(CircuitStatus.PermissionDenied));
            Assert.That((await AskAsync(peer, relay, Connect(relay.LocalPeer), cancellationToken)).Status, Is.EqualTo(CircuitStatus.PermissionDenied));
            Assert.That((await AskAsync(peer, relay, Connect(other.LocalPeer), cancellationToken)).Status, Is.EqualTo(CircuitStatus.NoReservation));
            Assert.That(relay.RelayService!.Counters.Refused["PermissionDenied"], Is.EqualTo(2));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task MalformedHopMessages_AreAnsweredAndHarmless(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost peer = await AddAsync(RelayHosts.StartAsync());
        HopMessage[] odd =
        [
            new HopMessage(),
            new HopMessage { Type = HopMessage.Types.Type.Connect },
            new HopMessage { Type = HopMessage.Types.Type.Connect, Peer = new CircuitPeer { Id = ByteString.CopyFromUtf8("nobody") } },
            new HopMessage { Type = HopMessage.Types.Type.Status, Status = CircuitStatus.Ok },
        ];
        List<CircuitStatus> answers = [];
        foreach (HopMessage message in odd)
        {
            answers.Add((await AskAsync(peer, relay, message, cancellationToken)).Status);
        }

        Assert.That(answers, Is.EqualTo(new[] { CircuitStatus.MalformedMessage, CircuitStatus.MalformedMessage, CircuitStatus.MalformedMessage, CircuitStatus.UnexpectedMessage }));
        foreach (byte[] garbage in (byte[][])[[0xff, 0xff, 0xff, 0xff, 0x0f], [3, 1, 2, 3], [0x80, 0x80, 0x40, .. new byte[64]]])
        {
            await using IPeerStream stream = await OpenHopAsync(peer, relay, cancellationToken);
            await stream.WriteAsync(garbage, cancellationToken);
            HopMessage answer = (await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, 4096, cancellationToken))!;
            Assert.That(answer.Status, Is.EqualTo(CircuitStatus.MalformedMessage));
        }

        Assert.That((await AskAsync(peer, relay, Reserve, cancellationToken)).Status, Is.EqualTo(CircuitStatus.Ok), "the connection goes on");
    }

    [Test, CancelAfter(60_000)]
    public async Task SilentHopStream_IsResetInTime(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync(new RelayLimits { RequestTimeout = TimeSpan.FromMilliseconds(50) }));
        Libp2pHost peer = await AddAsync(RelayHosts.StartAsync());
        await using IPeerStream stream = await OpenHopAsync(peer, relay, cancellationToken);
        await stream.WriteAsync(new byte[] { 100 }, cancellationToken);
        await Assert.ThatAsync(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<Libp2pException>());
    }

    [Test, CancelAfter(60_000)]
    public async Task Circuit_OfAPeerThatIsNoRelayOfOurs_IsRefused(CancellationToken cancellationToken)
    {
        Libp2pHost victim = await AddAsync(RelayHosts.StartAsync()), stranger = await AddAsync(RelayHosts.StartAsync());
        await stranger.ConnectAsync(victim.FullAddress(), cancellationToken);
        StopMessage answer = await StopAsync(stranger, victim, StopConnect(stranger.LocalPeer), cancellationToken);
        Assert.That(answer.Status, Is.EqualTo(CircuitStatus.PermissionDenied));
    }

    [Test, CancelAfter(60_000)]
    public async Task Circuit_WhoseRelayLiesAboutTheSource_IsNoConnection(CancellationToken cancellationToken)
    {
        // A relay that grants reservations, then plays the dialler itself under somebody else's name.
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync()), victim = await AddAsync(RelayHosts.StartAsync());
        await victim.ReserveAsync(relay.FullAddress(), cancellationToken);
        using Ed25519PrivateKey claimed = Ed25519PrivateKey.Generate(), actual = Ed25519PrivateKey.Generate();
        await using IPeerStream stream = await relay.OpenStreamAsync(victim.LocalPeer, [CircuitProtocol.StopId], cancellationToken);
        await LengthPrefixed.WriteAsync(stream, StopConnect(PeerId.FromPublicKey(claimed.PublicKey)), cancellationToken);
        StopMessage? answer = await LengthPrefixed.ReadAsync(stream, StopMessage.Parser, 4096, cancellationToken);
        Assert.That(answer!.Status, Is.EqualTo(CircuitStatus.Ok));
        using NoiseIdentity liar = new(actual, [YamuxSession.Protocol]);
        RelayedConnection raw = new(stream, relay.Addresses[0], relay.Addresses[0], limit: null);
        await using NoiseChannel channel = await new Upgrader(liar).UpgradeAsync(raw, isInitiator: true, victim.LocalPeer, cancellationToken);
        await Assert.ThatAsync(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
        Assert.That(victim.Connections.Select(c => c.Peer), Is.EqualTo(new[] { relay.LocalPeer }));
    }

    [Test, CancelAfter(60_000)]
    public async Task Reservation_ThatDoesNotHold_IsNotAnnounced(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartAsync()), peer = await AddAsync(RelayHosts.StartAsync());
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        ulong later = (ulong)DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds();
        byte[] foreign = new ReservationVoucher(PeerId.FromPublicKey(other.PublicKey), peer.LocalPeer, DateTimeOffset.UtcNow.AddHours(1)).Seal(other);
        CircuitReservation[] bad =
        [
            new CircuitReservation(),
            new CircuitReservation { Expire = 1 },
            new CircuitReservation { Expire = later, Voucher = ByteString.CopyFrom(foreign) },
            new CircuitReservation { Expire = later, Voucher = ByteString.CopyFromUtf8("trust me") },
        ];
        CircuitReservation current = bad[0];
        relay.Handle(CircuitProtocol.HopId, async (stream, token) =>
        {
            await LengthPrefixed.ReadAsync(stream, 4096, token);
            await LengthPrefixed.WriteAsync(stream, new HopMessage { Type = HopMessage.Types.Type.Status, Status = CircuitStatus.Ok, Reservation = current }, token);
        });
        foreach (CircuitReservation reservation in bad)
        {
            current = reservation;
            await Assert.ThatAsync(async () => await peer.ReserveAsync(relay.FullAddress(), cancellationToken), Throws.InstanceOf<Libp2pException>());
        }

        Assert.That(peer.HeldReservations, Is.Empty);
        Assert.That(peer.Addresses.Any(address => address.IsRelayed), Is.False);
    }

    [Test, CancelAfter(60_000)]
    public async Task Reservation_WithVeryManyAddresses_IsAnnouncedWithFew(CancellationToken cancellationToken)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartAsync()), peer = await AddAsync(RelayHosts.StartAsync());
        relay.Handle(CircuitProtocol.HopId, async (stream, token) =>
        {
            CircuitReservation reservation = new() { Expire = ulong.MaxValue };
            reservation.Addrs.AddRange(Enumerable.Range(1, 200).Select(i => ByteString.CopyFrom(Multiaddr.Parse($"/ip4/127.0.0.{i}/tcp/1").Bytes)));
            await LengthPrefixed.ReadAsync(stream, 4096, token);
            await LengthPrefixed.WriteAsync(stream, new HopMessage { Type = HopMessage.Types.Type.Status, Status = CircuitStatus.Ok, Reservation = reservation }, token);
        });
        HeldReservation held = await peer.ReserveAsync(relay.FullAddress(), cancellationToken);
        Assert.That(held.Addresses, Has.Count.EqualTo(8));
        Assert.That(held.Expires, Is.LessThanOrEqualTo(DateTimeOffset.UtcNow.AddHours(25)));
    }

    [Test]
    public void ReadLimit_MillisecondsAsSeconds_IsNotBelieved()
    {
        CircuitLimit? js = CircuitProtocol.ReadLimit(new CircuitLimits { Duration = 120_000, Data = 1 << 17 });
        Assert.That(js, Is.EqualTo(new CircuitLimit(null, 1 << 17)));
        Assert.That(CircuitProtocol.ReadLimit(new CircuitLimits()), Is.Null);
    }

    private static HopMessage Reserve => new() { Type = HopMessage.Types.Type.Reserve };

    private static HopMessage Connect(PeerId peer) => new() { Type = HopMessage.Types.Type.Connect, Peer = CircuitProtocol.ToMessage(peer) };

    private static StopMessage StopConnect(PeerId source) => new() { Type = StopMessage.Types.Type.Connect, Peer = CircuitProtocol.ToMessage(source) };

    private static async Task<IPeerStream> OpenHopAsync(Libp2pHost peer, Libp2pHost relay, CancellationToken cancellationToken)
    {
        await peer.ConnectAsync(relay.FullAddress(), cancellationToken);
        return await peer.OpenStreamAsync(relay.LocalPeer, [CircuitProtocol.HopId], cancellationToken);
    }

    private static async Task<HopMessage> AskAsync(Libp2pHost peer, Libp2pHost relay, HopMessage message, CancellationToken cancellationToken)
    {
        await using IPeerStream stream = await OpenHopAsync(peer, relay, cancellationToken);
        await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
        return (await LengthPrefixed.ReadAsync(stream, HopMessage.Parser, 4096, cancellationToken))!;
    }

    private static async Task<StopMessage> StopAsync(Libp2pHost from, Libp2pHost to, StopMessage message, CancellationToken cancellationToken)
    {
        await using IPeerStream stream = await from.OpenStreamAsync(to.LocalPeer, [CircuitProtocol.StopId], cancellationToken);
        await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
        return (await LengthPrefixed.ReadAsync(stream, StopMessage.Parser, 4096, cancellationToken))!;
    }
}
