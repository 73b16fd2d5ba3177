using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>More connections and streams than anybody needs: the flooder runs into its own bound, and others are served.</summary>
[CancelAfter(90_000)]
public sealed class HostileFloodTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static bool IsReset(YamuxHeader frame) => (frame.Flags & YamuxFlags.Rst) != 0;

    [Test]
    public async Task Streams_OfOnePeer_AreLimitedOverAllItsConnections(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { InboundStreamsPerPeer = 6 });
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        await using (RawPeer first = await RawPeer.ConnectAsync(host, cancellationToken, key), second = await RawPeer.ConnectAsync(host, cancellationToken, key))
        {
            await OpenAsync(first, 4, cancellationToken);
            await Eventually.TrueAsync("four streams", () => host.InboundStreams == 4, Patience, cancellationToken);
            await OpenAsync(second, 3, cancellationToken);
            Assert.That((await second.NextAsync(IsReset, cancellationToken))?.StreamId, Is.EqualTo(5), "the third of the second connection");
            await using RawPeer other = await RawPeer.ConnectAsync(host, cancellationToken);
            await OpenAsync(other, 1, cancellationToken);
            Assert.That(await other.NextAsync(frame => frame.Type == YamuxFrameType.Data, cancellationToken), Is.Not.Null, "another peer is served");
        }

        await Eventually.TrueAsync("every place is given back", () => host.InboundStreams == 0, Patience, cancellationToken);
    }

    [Test]
    public async Task Streams_OfAllPeers_AreLimited_TheFirstOfAPeerAreNot(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { NodeInboundStreams = 8, AssuredStreamsPerPeer = 2, StreamsByProtocol = new Dictionary<string, int>() });
        await using Libp2pHost honest = await TestHosts.StartAsync();
        await honest.ConnectAsync(host.FullAddress(), cancellationToken);
        await Eventually.TrueAsync("identify is over", () => host.InboundStreams == 0 && honest.Connections.Any(c => c.AgentVersion.Length > 0), Patience, cancellationToken);
        List<RawPeer> flooders = [];
        for (int i = 0; i < 3; i++)
        {
            flooders.Add(await RawPeer.ConnectAsync(host, cancellationToken));
            await OpenAsync(flooders[i], 4, cancellationToken);

            // Each has its streams before the next one comes: who finds the places taken is no matter of threads.
            int expected = Math.Min(4 * (i + 1), 10);
            await Eventually.TrueAsync("its streams are there", () => host.InboundStreams == expected, Patience, cancellationToken);
        }

        Assert.That((await flooders[2].NextAsync(IsReset, cancellationToken))?.StreamId, Is.EqualTo(5), "its third: two are assured");
        Assert.That(host.InboundStreams, Is.EqualTo(10), "full, and two for the last one");
        await honest.PingAsync(host.LocalPeer, cancellationToken);
        foreach (RawPeer flooder in flooders)
        {
            await flooder.DisposeAsync();
        }

        await Eventually.TrueAsync("every place is given back", () => host.InboundStreams == 0, Patience, cancellationToken);
        await honest.PingAsync(host.LocalPeer, cancellationToken);
    }

    [Test]
    public async Task Streams_OfOneAddress_HaveAShare_AndAnotherAddressHasItsOwn(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("needs Linux: all of 127.0.0.0/8 is loopback there");
        }

        // A share of four; without the LAN setting it holds on loopback too.
        Libp2pLimits limits = new() { NodeInboundStreams = 32, AssuredStreamsPerPeer = 1 };
        await using Libp2pHost host = await TestHosts.StartAsync(limits, allowPrivate: false);
        List<RawPeer> peers = [];
        foreach ((string address, int streams) in ((string, int)[])[("127.0.0.1", 4), ("127.0.0.1", 2), ("127.0.0.2", 3)])
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            peers.Add(await RawPeer.DialAsync(await ConnectFromAsync(address, host, cancellationToken), key, host, cancellationToken));
            await OpenAsync(peers[^1], streams, cancellationToken);
            int expected = peers.Count switch { 1 => 4, 2 => 5, _ => 8 };
            await Eventually.TrueAsync("its streams are there, before the next one comes", () => host.InboundStreams == expected, Patience, cancellationToken);
        }

        Assert.That((await peers[1].NextAsync(IsReset, cancellationToken))?.StreamId, Is.EqualTo(3), "its first one is assured");
        Assert.That(host.InboundStreams, Is.EqualTo(8), "the share, the assured one, and those of the other address");
        foreach (RawPeer peer in peers)
        {
            await peer.DisposeAsync();
        }

        await Eventually.TrueAsync("every place is given back", () => host.InboundStreams == 0, Patience, cancellationToken);
    }

    [Test]
    public async Task Streams_OfOneProtocol_AreLimitedOverAllPeers_AndOthersGoOn(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { NodeStreamsPerProtocol = 4, AssuredStreamsPerPeer = 1 }), honest = await TestHosts.StartAsync();
        List<RawPeer> flooders = [];
        for (int i = 0; i < 2; i++)
        {
            flooders.Add(await RawPeer.ConnectAsync(host, cancellationToken));
            await OpenAsync(flooders[i], 3, cancellationToken);
            for (int agreed = 0; agreed < (i == 0 ? 3 : 1); agreed++)
            {
                // Each has agreed on the protocol before the next one comes.
                Assert.That(await flooders[i].NextAsync(frame => frame.Type == YamuxFrameType.Data, cancellationToken), Is.Not.Null);
            }
        }

        Assert.That((await flooders[1].NextAsync(IsReset, cancellationToken))?.StreamId, Is.EqualTo(3), "the first is assured and takes the fourth place");
        await honest.ConnectAsync(host.FullAddress(), cancellationToken);
        await honest.PingAsync(host.LocalPeer, cancellationToken);
        Assert.That(await EchoAsync(honest, host, cancellationToken), Has.Length.EqualTo(100), "the first stream of a peer is let in");
        foreach (RawPeer flooder in flooders)
        {
            await flooder.DisposeAsync();
        }

        await Eventually.TrueAsync("every place is given back", () => host.InboundStreams == 0, Patience, cancellationToken);
        Assert.That(await EchoAsync(honest, host, cancellationToken), Has.Length.EqualTo(100));
    }

    /// <summary>What makes us open streams may be a stranger's doing: requests that he never answers.</summary>
    [TestCase("node", 6)]
    [TestCase("peer", 4)]
    [TestCase("protocol", 5)]
    public async Task OutboundStreams_HaveLimitsToo_AndPlacesComeBack(string scope, int limit, CancellationToken cancellationToken)
    {
        Libp2pLimits none = new();
        await using Libp2pHost host = await TestHosts.StartAsync(none with
        {
            NodeOutboundStreams = scope == "node" ? limit : none.NodeOutboundStreams,
            OutboundStreamsPerPeer = scope == "peer" ? limit : none.OutboundStreamsPerPeer,
            NodeStreamsPerProtocol = scope == "protocol" ? limit : none.NodeStreamsPerProtocol,
            AssuredStreamsPerPeer = 0,
        });
        await using Libp2pHost first = await TestHosts.StartAsync(), second = await TestHosts.StartAsync();
        await host.ConnectAsync(first.FullAddress(), cancellationToken);
        await host.ConnectAsync(second.FullAddress(), cancellationToken);
        await Eventually.TrueAsync(
            "identify is over", () => host.OutboundStreams == 0 && host.Connections.Count(c => c.AgentVersion.Length > 0) == 2, Patience, cancellationToken);
        List<IPeerStream> open = [];
        for (int i = 0; i < limit; i++)
        {
            // Both kinds of opening: with a protocol that identify named, and with one to be found out.
            string[] protocols = i % 2 == 0 ? [TestHosts.EchoProtocol] : ["/nothing/1", TestHosts.EchoProtocol];
            open.Add(await host.OpenStreamAsync(scope == "peer" || i % 3 > 0 ? first.LocalPeer : second.LocalPeer, protocols, cancellationToken));
        }

        Assert.That(host.OutboundStreams, Is.EqualTo(limit));
        await Assert.ThatAsync(
            () => EchoAsync(host, first, cancellationToken),
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.ResourceLimit));
        Assert.That(host.OutboundStreams, Is.EqualTo(limit), "a refusal takes no place");
        if (scope != "node")
        {
            await host.PingAsync(second.LocalPeer, cancellationToken);
        }

        open[0].Reset();
        Assert.That(await EchoAsync(host, first, cancellationToken), Has.Length.EqualTo(100));
        open.ForEach(stream => stream.Reset());
        await Eventually.TrueAsync("every place is given back", () => host.OutboundStreams == 0, Patience, cancellationToken);
    }

    [Test]
    public async Task Connections_OpenedAndLeftAlone_FromOneAddress_LeaveRoomForAnother(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("needs Linux: all of 127.0.0.0/8 is loopback there");
        }

        // Without the LAN setting the limits of an address hold on loopback too; time stands still, so that no place is freed by waiting.
        await using Libp2pHost host = await TestHosts.StartAsync(time: new ManualTimeProvider(), allowPrivate: false);
        List<Socket> flood = [];
        for (int i = 0; i < 300; i++)
        {
            flood.Add(await ConnectFromAsync("127.0.0.1", host, cancellationToken));
        }

        int refused = 0;
        foreach (Socket socket in flood.Skip(new Libp2pLimits().PendingUpgradesPerIp))
        {
            refused += await IsHungUpAsync(socket, cancellationToken) ? 1 : 0;
        }

        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        await using RawPeer honest = await RawPeer.DialAsync(await ConnectFromAsync("127.0.0.2", host, cancellationToken), key, host, cancellationToken);
        Assert.That(refused, Is.EqualTo(296), "all but those that may be in their handshake");
        Assert.That(await honest.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null);
        flood.ForEach(socket => socket.Dispose());
    }

    /// <summary>Who is protected, as a follower of a model we serve is, may have one connection for it: the others of his count like anybody's.</summary>
    [Test]
    public async Task Connections_OfAProtectedPeer_PushNobodyElseOut(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        Libp2pLimits limits = new() { ConnectionsLow = 4, ConnectionsHigh = 6, CloseTimeout = TimeSpan.Zero, KeepAliveInterval = TimeSpan.FromHours(1) };
        await using Libp2pHost host = await TestHosts.StartAsync(limits, time: time);
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        List<RawPeer> peers = [];
        for (int i = 0; i < 8; i++)
        {
            peers.Add(await RawPeer.ConnectAsync(host, cancellationToken, i < 4 ? key : null));
        }

        await Eventually.TrueAsync("all are open", () => host.Connections.Count == 8, Patience, cancellationToken);
        host.Protect(Cocoon.Protocol.Identity.PeerId.FromPublicKey(key.PublicKey), "follower");
        time.Advance(limits.ConnectionGrace + TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync("trimmed", () => host.Connections.Count <= 4, Patience, cancellationToken);
        Assert.That(
            host.Connections.GroupBy(connection => connection.Peer).Select(group => group.Count()), Is.EqualTo(new[] { 1, 1, 1, 1 }),
            "one of the protected peer, and three others");
        foreach (RawPeer peer in peers)
        {
            await peer.DisposeAsync();
        }
    }

    /// <summary>However many are protected, half of the places stay with those who are not.</summary>
    [Test]
    public async Task Connections_OfManyProtectedPeers_LeaveHalfOfThePlaces(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        Libp2pLimits limits = new() { ConnectionsLow = 4, ConnectionsHigh = 6, CloseTimeout = TimeSpan.Zero, KeepAliveInterval = TimeSpan.FromHours(1) };
        await using Libp2pHost host = await TestHosts.StartAsync(limits, time: time);
        List<RawPeer> peers = [];
        for (int i = 0; i < 10; i++)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            peers.Add(await RawPeer.ConnectAsync(host, cancellationToken, key));
            if (i < 6)
            {
                host.Protect(Cocoon.Protocol.Identity.PeerId.FromPublicKey(key.PublicKey), "follower");
            }
        }

        await Eventually.TrueAsync("all are open", () => host.Connections.Count == 10, Patience, cancellationToken);
        time.Advance(limits.ConnectionGrace + TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync("trimmed", () => host.Connections.Count <= 8, Patience, cancellationToken);
        time.Advance(TimeSpan.FromSeconds(10));
        await using RawPeer late = await RawPeer.ConnectAsync(host, cancellationToken);
        Assert.That(await late.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null);
        Assert.That(host.Connections, Has.Count.EqualTo(9), "six that are protected, two that are not, and the newest");
        foreach (RawPeer peer in peers)
        {
            await peer.DisposeAsync();
        }
    }

    /// <summary>Whoever closes a connection, its remote, its own end and the host come together: that is no error of anybody's.</summary>
    [Test]
    public async Task Host_DisposedWhileItsConnectionsEnd_EndsThemAll(CancellationToken cancellationToken)
    {
        for (int round = 0; round < 40; round++)
        {
            Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { CloseTimeout = TimeSpan.Zero });
            RawPeer[] peers = [await RawPeer.ConnectAsync(host, cancellationToken), await RawPeer.ConnectAsync(host, cancellationToken)];
            await Task.WhenAll([.. peers.Select(peer => Task.Run(() => peer.DisposeAsync().AsTask(), cancellationToken)), Task.Run(() => host.DisposeAsync().AsTask(), cancellationToken)]);
            Assert.That(host.Connections, Is.Empty);
        }
    }

    /// <summary>Also where no address has a limit of its own, and against a flood that comes from everywhere.</summary>
    [Test]
    public async Task Handshakes_ThatTakeEveryPlaceInSilence_MakeRoomForWhoSpeaks(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { PendingUpgrades = 8, CloseTimeout = TimeSpan.Zero }, time: time);
        List<Socket> silent = [];
        for (int i = 0; i < 8; i++)
        {
            silent.Add(await ConnectFromAsync("127.0.0.1", host, cancellationToken));
        }

        using Socket early = await ConnectFromAsync("127.0.0.1", host, cancellationToken);
        Assert.That(await IsHungUpAsync(early, cancellationToken), Is.True, "who is there has a moment to speak");
        time.Advance(TimeSpan.FromSeconds(2));
        for (int i = 0; i < 3; i++)
        {
            await using RawPeer honest = await RawPeer.ConnectAsync(host, cancellationToken);
            Assert.That(await honest.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null);
        }

        Assert.That(await IsHungUpAsync(silent[0], cancellationToken), Is.True, "the oldest made room");
        silent.ForEach(socket => socket.Dispose());
    }

    /// <summary>Room is made for whoever may come in, not for an address that has all that it may have.</summary>
    [Test]
    public async Task Newcomer_OfAnAddressThatHasItsShare_TakesNobodysPlace(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("needs Linux: all of 127.0.0.0/8 is loopback there");
        }

        ManualTimeProvider time = new();
        await using Libp2pHost host = new(new Libp2pHostOptions
        {
            Identity = Ed25519PrivateKey.Generate(),
            ListenAddresses = [Cocoon.Protocol.Multiformats.Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            TimeProvider = time,
            Limits = new Libp2pLimits { PendingUpgrades = 4, CloseTimeout = TimeSpan.Zero },
        });
        await host.StartAsync(cancellationToken);
        List<Socket> silent = [];
        for (int i = 0; i < 4; i++)
        {
            silent.Add(await ConnectFromAsync("127.0.0.1", host, cancellationToken));
        }

        using Socket early = await ConnectFromAsync("127.0.0.1", host, cancellationToken);
        Assert.That(await IsHungUpAsync(early, cancellationToken), Is.True, "the four are in their handshake");
        time.Advance(TimeSpan.FromSeconds(2));
        using Socket refused = await ConnectFromAsync("127.0.0.1", host, cancellationToken);
        Assert.That(await IsHungUpAsync(refused, cancellationToken), Is.True);
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        await using RawPeer late = await RawPeer.DialAsync(silent[0], key, host, cancellationToken);
        Assert.That(await late.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null, "the oldest handshake still has its place");
        silent.ForEach(socket => socket.Dispose());
    }

    [Test]
    public async Task Stream_WhoseReaderNeverOpensItsWindow_HoldsNothingForLong(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await TestHosts.StartAsync(
            new Libp2pLimits { KeepAliveInterval = TimeSpan.FromHours(1), PingInterval = TimeSpan.FromHours(1), CloseTimeout = TimeSpan.Zero }, time: time);
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        Assert.That(await peer.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null);
        await peer.OpenAsync(1, TestHosts.EchoProtocol, cancellationToken);

        // Each byte comes back, and none of them is acknowledged: after 256 KiB the host may send no more, and stops to read.
        byte[] body = new byte[32 * 1024];
        for (int sent = 0; sent < 11; sent++)
        {
            if (sent == 7)
            {
                Assert.That(await peer.NextAsync(frame => frame is { Type: YamuxFrameType.WindowUpdate, StreamId: 1, Length: >= 4 * 32 * 1024 }, cancellationToken), Is.Not.Null);
            }

            await peer.SendAsync((byte[])[.. RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.None, 1, (uint)body.Length), .. body], cancellationToken);
        }

        Task<YamuxHeader?> reset = peer.NextAsync(frame => frame.StreamId == 1 && IsReset(frame), cancellationToken);
        await time.AdvanceUntilAsync(reset, cancellationToken);
        await peer.SendAsync(YamuxFrameType.Ping, YamuxFlags.Syn, 0, 9, cancellationToken);
        Assert.That(await peer.NextAsync(frame => frame is { Type: YamuxFrameType.Ping, Flags: YamuxFlags.Ack, Length: 9 }, cancellationToken), Is.Not.Null, "the connection stays");
        Assert.That(host.InboundStreams, Is.Zero);
    }

    private static async Task OpenAsync(RawPeer peer, int count, CancellationToken cancellationToken)
    {
        for (uint i = 0; i < count; i++)
        {
            await peer.OpenAsync((2 * i) + 1, TestHosts.EchoProtocol, cancellationToken);
        }
    }

    private static async Task<byte[]> EchoAsync(Libp2pHost from, Libp2pHost to, CancellationToken cancellationToken)
    {
        await using IPeerStream stream = await from.OpenStreamAsync(to.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        return await TestHosts.ExchangeAsync(stream, new byte[100], cancellationToken);
    }

    private static async Task<Socket> ConnectFromAsync(string address, Libp2pHost host, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        await socket.ConnectAsync(host.ListenEndPoints[0], cancellationToken);
        return socket;
    }

    private static async Task<bool> IsHungUpAsync(Socket socket, CancellationToken cancellationToken)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1], cancellationToken) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
