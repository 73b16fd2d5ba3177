using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr.Proto;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

/// <summary>The exchange of DCUtR over loopback; the punching itself needs NATs (<c>NatTests</c>).</summary>
public sealed class DcutrTests : ReachabilityTests
{
    [TestCase(true), TestCase(false), CancelAfter(60_000)]
    public async Task RelayedConnection_BecomesDirect_AndNewStreamsUseIt(bool dialFirst, CancellationToken cancellationToken)
    {
        DcutrOptions options = new() { DialFirst = dialFirst };
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost b = await AddAsync(RelayHosts.StartAsync(dcutr: options)), a = await AddAsync(RelayHosts.StartAsync(dcutr: options));
        await b.ReserveAsync(relay.FullAddress(), cancellationToken);
        await a.ConnectAsync(b.Through(relay), cancellationToken);
        await Eventually.TrueAsync("direct", () => Direct(a, b) is not null && Direct(b, a) is not null, Patience, cancellationToken);
        Assert.That(Direct(a, b)!.IsOutbound, Is.EqualTo(!dialFirst), "after the exchange A is the initiator, whoever's connect succeeded");
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        byte[] data = new byte[512 * 1024];
        Assert.That(await TestHosts.ExchangeAsync(stream, data, cancellationToken), Has.Length.EqualTo(data.Length), "more than the circuit would take");
        await Eventually.TrueAsync("the circuit closes", () => relay.RelayService!.Circuits.Count == 0, Patience, cancellationToken);
        Assert.That(a.HolePunching.Upgraded + b.HolePunching.Upgraded, Is.GreaterThan(0));
    }

    /// <summary>
    /// B's connect reaches A's listener before A has read that it is time, as it does on a busy machine and behind a NAT that lets strangers
    /// in. The pair of ports is taken then: there is no other connection to be had, and on this one A begins.
    /// </summary>
    [Test, CancelAfter(60_000)]
    public async Task ConnectOfTheOther_ThatComesFirst_IsTheConnection(CancellationToken cancellationToken)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        (_, Libp2pHost b, Libp2pHost a) = await StartPairAsync(cancellationToken, key);
        await using IPeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [DcutrOptions.Protocol], cancellationToken);
        using Socket socket = BindAnyPort();
        IPEndPoint remote = await ExchangeAsync(stream, (IPEndPoint)socket.LocalEndPoint!, cancellationToken);
        await socket.ConnectAsync(remote, cancellationToken);
        Task<RawPeer> responding = RawPeer.RespondAsync(socket, key, a, cancellationToken);
        await LengthPrefixed.WriteAsync(stream, new HolePunch { Type = HolePunch.Types.Type.Sync }, cancellationToken);
        await using RawPeer peer = await responding;
        await Eventually.TrueAsync("direct", () => Direct(a, b) is not null, Patience, cancellationToken);
        Assert.That(Direct(a, b)!.IsOutbound, Is.True, "A is the initiator");
        await Eventually.TrueAsync("counted", () => a.HolePunching.Upgraded == 1, Patience, cancellationToken);
    }

    /// <summary>Who asks for a hole may name the address of somebody else, who dials us at that moment.</summary>
    [Test, CancelAfter(60_000)]
    public async Task AddressOfSomebodyElse_InARequest_DoesNotHinderTheirDial(CancellationToken cancellationToken)
    {
        (_, Libp2pHost b, Libp2pHost a) = await StartPairAsync(cancellationToken);
        await using Libp2pHost victim = await TestHosts.StartAsync();
        await using IPeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [DcutrOptions.Protocol], cancellationToken);
        await ExchangeAsync(stream, victim.ListenEndPoints[0], cancellationToken);
        await victim.ConnectAsync(a.FullAddress(), cancellationToken);
        await victim.PingAsync(a.LocalPeer, cancellationToken);
        Assert.That(a.Connections.Single(c => c.Peer == victim.LocalPeer).IsOutbound, Is.False);
    }

    [Test, CancelAfter(60_000)]
    public async Task Garbage_OnTheStream_IsResetAndTheRelayStays(CancellationToken cancellationToken)
    {
        (Libp2pHost relay, Libp2pHost b, Libp2pHost a) = await StartPairAsync(cancellationToken);
        HolePunch[] odd = [new(), new() { Type = HolePunch.Types.Type.Sync }, new() { Type = HolePunch.Types.Type.Connect, ObsAddrs = { ByteString.CopyFromUtf8("junk") } }];
        foreach (HolePunch message in odd)
        {
            await using IPeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [DcutrOptions.Protocol], cancellationToken);
            await LengthPrefixed.WriteAsync(stream, message, cancellationToken);
            if (message.Type == HolePunch.Types.Type.Connect)
            {
                await LengthPrefixed.ReadAsync(stream, HolePunch.Parser, 4096, cancellationToken);
                await stream.WriteAsync(new byte[] { 200, 1, 2 }, cancellationToken);
                await stream.CloseWriteAsync(cancellationToken);
            }

            await Assert.ThatAsync(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
        }

        await a.PingAsync(b.LocalPeer, cancellationToken);
        Assert.That(Direct(a, b), Is.Null);
        Assert.That(relay.RelayService!.Circuits, Has.Count.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task VeryManyAddresses_AreFewDials(CancellationToken cancellationToken)
    {
        (_, Libp2pHost b, Libp2pHost a) = await StartPairAsync(cancellationToken);
        int dialled = 0;
        List<TcpListener> victims = [.. Enumerable.Range(0, 40).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        List<Task> accepting = [.. victims.Select(CountAsync)];
        HolePunch connect = new() { Type = HolePunch.Types.Type.Connect };
        connect.ObsAddrs.AddRange(victims.Select(victim => ByteString.CopyFrom(Multiaddr.FromEndPoint((IPEndPoint)victim.LocalEndpoint).Bytes)));
        await using (IPeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [DcutrOptions.Protocol], cancellationToken))
        {
            await LengthPrefixed.WriteAsync(stream, connect, cancellationToken);
            HolePunch? answer = await LengthPrefixed.ReadAsync(stream, HolePunch.Parser, 4096, cancellationToken);
            Assert.That(answer!.ObsAddrs, Has.Count.LessThanOrEqualTo(8));
            await LengthPrefixed.WriteAsync(stream, new HolePunch { Type = HolePunch.Types.Type.Sync }, cancellationToken);
            await Eventually.TrueAsync("dials", () => dialled >= 8, Patience, cancellationToken);
        }

        await a.DisconnectAsync(b.LocalPeer);
        victims.ForEach(victim => victim.Stop());
        await Task.WhenAll(accepting);
        Assert.That(dialled, Is.EqualTo(8), "each of eight addresses once: whoever answers is waited for");

        async Task CountAsync(TcpListener victim)
        {
            victim.Start();
            List<Socket> open = [];
            try
            {
                while (true)
                {
                    open.Add(await victim.AcceptSocketAsync(cancellationToken));
                    Interlocked.Increment(ref dialled);
                }
            }
            catch (SocketException)
            {
                open.ForEach(socket => socket.Dispose());
            }
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Request_OverADirectConnection_IsRefused(CancellationToken cancellationToken)
    {
        Libp2pHost b = await AddAsync(RelayHosts.StartAsync()), a = await AddAsync(RelayHosts.StartAsync(dcutr: new DcutrOptions()));
        await b.ConnectAsync(a.FullAddress(), cancellationToken);
        await Assert.ThatAsync(AskAsync, Throws.InstanceOf<IOException>());

        async Task AskAsync()
        {
            await using IPeerStream stream = await b.OpenStreamAsync(a.LocalPeer, [DcutrOptions.Protocol], cancellationToken);
            await LengthPrefixed.WriteAsync(stream, new HolePunch { Type = HolePunch.Types.Type.Connect }, cancellationToken);
            await stream.ReadAsync(new byte[1], cancellationToken);
        }
    }

    private static PeerConnectionInfo? Direct(Libp2pHost from, Libp2pHost to) => from.Connections.FirstOrDefault(c => c.Peer == to.LocalPeer && !c.IsRelayed);

    /// <summary>A, which would punch, and B, which plays DCUtR by hand, connected through a relay.</summary>
    private async Task<(Libp2pHost Relay, Libp2pHost B, Libp2pHost A)> StartPairAsync(CancellationToken cancellationToken, Ed25519PrivateKey? keyOfB = null)
    {
        Libp2pHost relay = await AddAsync(RelayHosts.StartRelayAsync());
        Libp2pHost b = await AddAsync(RelayHosts.StartAsync(key: keyOfB)), a = await AddAsync(RelayHosts.StartAsync(dcutr: new DcutrOptions()));
        await b.ReserveAsync(relay.FullAddress(), cancellationToken);
        await a.ConnectAsync(b.Through(relay), cancellationToken);
        await Eventually.TrueAsync("connected", () => b.Connections.Any(c => c.Peer == a.LocalPeer), Patience, cancellationToken);
        return (relay, b, a);
    }

    private static Socket BindAnyPort()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    /// <summary>B's CONNECT with one address, A's answer: where A listens.</summary>
    private static async Task<IPEndPoint> ExchangeAsync(IPeerStream stream, IPEndPoint own, CancellationToken cancellationToken)
    {
        HolePunch connect = new() { Type = HolePunch.Types.Type.Connect, ObsAddrs = { ByteString.CopyFrom(Multiaddr.FromEndPoint(own).Bytes) } };
        await LengthPrefixed.WriteAsync(stream, connect, cancellationToken);
        HolePunch? answer = await LengthPrefixed.ReadAsync(stream, HolePunch.Parser, 4096, cancellationToken);
        Assert.That(Multiaddr.TryFromBytes(answer!.ObsAddrs[0].Span, out Multiaddr? address) && address.TryGetTcpEndPoint(out _), Is.True);
        address!.TryGetTcpEndPoint(out IPEndPoint? remote);
        return remote!;
    }
}
