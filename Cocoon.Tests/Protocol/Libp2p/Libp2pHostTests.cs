using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class Libp2pHostTests
{
    [Test, CancelAfter(60_000)]
    public async Task Connect_Dialled_IdentifiesBothWaysAndPings(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        Task<PeerEvent.Identified> identifiedByA = a.NextAsync<PeerEvent.Identified>(cancellationToken);
        Task<PeerEvent.Identified> identifiedByB = b.NextAsync<PeerEvent.Identified>(cancellationToken);
        Task<PeerEvent.Connected> connected = b.NextAsync<PeerEvent.Connected>(cancellationToken);
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        PeerEvent.Identified byA = await identifiedByA, byB = await identifiedByB;
        TimeSpan roundTrip = await a.PingAsync(b.LocalPeer, cancellationToken);
        PeerConnectionInfo info = a.Connections.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(byA.Protocols, Is.EqualTo(new[] { "/echo/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/libp2p/circuit/relay/0.2.0/stop", "/libp2p/dcutr" }));
            Assert.That(byB.Peer, Is.EqualTo(a.LocalPeer));
            Assert.That((await connected).IsOutbound, Is.False);
            Assert.That(info.Peer, Is.EqualTo(b.LocalPeer));
            Assert.That(info.AgentVersion, Is.EqualTo("cocoon/0.1.0"));
            Assert.That(info.IsOutbound, Is.True);
            Assert.That(info.RoundTrip, Is.Not.Null.And.GreaterThan(TimeSpan.Zero));
            Assert.That(roundTrip, Is.LessThan(TimeSpan.FromSeconds(2)));
            Assert.That(b.GetAddresses(a.LocalPeer), Does.Contain(a.Addresses[0]));
        }
    }

    /// <summary>Dials leave from the listening port, so that what others observe is an address of ours.</summary>
    [TestCase("/ip4/127.0.0.1/tcp/0"), TestCase("/ip6/::1/tcp/0"), CancelAfter(60_000)]
    public async Task Connect_OverEitherFamily_LeavesFromTheListeningPort(string listen, CancellationToken cancellationToken)
    {
        if (listen.StartsWith("/ip6", StringComparison.Ordinal) && !HasIpv6())
        {
            Assert.Ignore("needs ::1");
        }

        await using Libp2pHost a = await TestHosts.StartAsync(listen: listen), b = await TestHosts.StartAsync(listen: listen);
        Task<PeerEvent.Connected> connected = b.NextAsync<PeerEvent.Connected>(cancellationToken);
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await connected;
        await a.PingAsync(b.LocalPeer, cancellationToken);
        Assert.That(b.Connections.Single().RemoteAddress, Is.EqualTo(a.Addresses[0]));
    }

    [Test, CancelAfter(60_000)]
    public async Task Trim_AboveTheHighWatermark_GoesToTheLowOne_AndSparesTheProtectedAndTheOld(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await TestHosts.StartAsync(
            new Libp2pLimits { ConnectionsLow = 3, ConnectionsHigh = 5, ConnectionGrace = TimeSpan.FromSeconds(1), CloseTimeout = TimeSpan.Zero }, time: time);
        List<(PeerId Peer, RawPeer Raw)> peers = [];
        for (int i = 0; i < 8; i++)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            PeerId peer = PeerId.FromPublicKey(key.PublicKey);
            peers.Add((peer, await RawPeer.ConnectAsync(host, cancellationToken, key)));
            await Eventually.TrueAsync("open", () => host.Connections.Any(c => c.Peer == peer), TimeSpan.FromSeconds(20), cancellationToken);
            time.Advance(TimeSpan.FromMilliseconds(500));
        }

        host.Protect(peers[5].Peer, "a reservation");
        host.Protect(peers[6].Peer, "a mesh");
        host.Protect(peers[6].Peer, "another mesh");
        host.Unprotect(peers[6].Peer, "a mesh");

        time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync("trimmed", () => host.Connections.Count == 3, TimeSpan.FromSeconds(20), cancellationToken);
        Assert.That(host.Connections.Select(c => c.Peer), Is.EquivalentTo(new[] { peers[0].Peer, peers[5].Peer, peers[6].Peer }));
        foreach ((_, RawPeer raw) in peers)
        {
            await raw.DisposeAsync();
        }
    }

    private static bool HasIpv6()
    {
        try
        {
            using Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>A dial that had nothing to try must not stand for those after it.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Connect_AfterManyDialsThatEndedAtOnce_DialsAnew(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        for (int i = 0; i < 20_000; i++)
        {
            try
            {
                await a.ConnectAsync(b.LocalPeer, cancellationToken);
                Assert.Fail("no address is known yet");
            }
            catch (Libp2pException exception) when (exception.Code == Libp2pErrorCode.DialFailed)
            {
            }
        }

        a.AddAddresses(b.LocalPeer, b.Addresses, TimeSpan.FromMinutes(1));
        await a.ConnectAsync(b.LocalPeer, cancellationToken);
        Assert.That(a.Connections.Single().Peer, Is.EqualTo(b.LocalPeer));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(1024 * 1024)]
    [TestCase(20 * 1024 * 1024)]
    [CancelAfter(60_000)]
    public async Task Stream_EchoOfManyBytes_ComesBackWhole(int size, CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        byte[] data = RandomNumberGenerator.GetBytes(size);
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, ["/nothing/1", TestHosts.EchoProtocol], cancellationToken);
        byte[] echo = await TestHosts.ExchangeAsync(stream, data, cancellationToken);
        Assert.That(echo.AsSpan().SequenceEqual(data), Is.True);
    }

    [Test, CancelAfter(60_000)]
    public async Task Streams_ManyAtOnce_KeepTheirBytesApart(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(new Libp2pLimits { StreamsPerProtocol = 100 }), b = await TestHosts.StartAsync(new Libp2pLimits { StreamsPerProtocol = 100 });
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async i =>
        {
            byte[] data = RandomNumberGenerator.GetBytes(100_000 + i);
            await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
            byte[] echo = await TestHosts.ExchangeAsync(stream, data, cancellationToken);
            Assert.That(echo.AsSpan().SequenceEqual(data), Is.True);
        }));
    }

    [Test, CancelAfter(60_000)]
    public async Task OpenStream_NoProtocolInCommon_ThrowsIoException(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        Assert.That(
            async () => await a.OpenStreamAsync(b.LocalPeer, ["/nothing/1", "/nothing/2"], cancellationToken),
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.ProtocolNotSupported));
    }

    [Test, CancelAfter(60_000)]
    public async Task OpenOptimisticStream_Refused_ShowsAtTheFirstRead(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await using IPeerStream stream = await a.OpenOptimisticStreamAsync(b.LocalPeer, "/nothing/1", cancellationToken);
        await stream.WriteAsync(new byte[10], cancellationToken);
        Assert.That(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_AddressOfAnotherPeer_IsRefused(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync(), c = await TestHosts.StartAsync();
        Assert.That(
            async () => await a.ConnectAsync(b.Addresses[0].WithPeer(c.LocalPeer), cancellationToken),
            Throws.InstanceOf<Libp2pException>().With.Property(nameof(Libp2pException.Code)).EqualTo(Libp2pErrorCode.PeerMismatch));
        Assert.That(a.Connections, Is.Empty);
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_ToItself_IsRefused(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync();
        Assert.That(async () => await a.ConnectAsync(a.Addresses[0], cancellationToken), Throws.InstanceOf<IOException>());
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_FailedAddress_IsLeftAloneForAWhile(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync();
        Libp2pHost gone = await TestHosts.StartAsync();
        await gone.DisposeAsync();
        a.AddAddresses(gone.LocalPeer, gone.Addresses, TimeSpan.FromHours(1));
        Assert.That(async () => await a.ConnectAsync(gone.LocalPeer, cancellationToken), Throws.InstanceOf<Libp2pException>().With.Message.Contains("answered"));
        Assert.That(async () => await a.ConnectAsync(gone.LocalPeer, cancellationToken), Throws.InstanceOf<Libp2pException>().With.Message.Contains("a moment ago"));
    }

    [Test, CancelAfter(60_000)]
    public async Task Connect_ManyCallersAtOnce_ShareOneConnection(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        a.AddAddresses(b.LocalPeer, b.Addresses, TimeSpan.FromHours(1));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => a.ConnectAsync(b.LocalPeer, cancellationToken).AsTask()));
        Assert.That(a.Connections, Has.Count.EqualTo(1));
    }

    [Test, CancelAfter(60_000)]
    public async Task Disconnect_TellsBothSidesAndEndsStreams(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [TestHosts.EchoProtocol], cancellationToken);
        Task<PeerEvent.Disconnected> seenByA = a.NextAsync<PeerEvent.Disconnected>(cancellationToken);
        Task<PeerEvent.Disconnected> seenByB = b.NextAsync<PeerEvent.Disconnected>(cancellationToken);
        await b.DisconnectAsync(a.LocalPeer);
        await Task.WhenAll(seenByA, seenByB);
        Assert.That(async () => await stream.ReadAsync(new byte[1], cancellationToken), Throws.InstanceOf<IOException>());
        Assert.That(a.Connections, Is.Empty);
    }

    [Test, CancelAfter(60_000)]
    public async Task Handle_AfterConnecting_IsPushed(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync();
        TaskCompletionSource pushed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<PeerEvent.Identified> byB = b.NextAsync<PeerEvent.Identified>(cancellationToken);
        a.PeerChanged += peerEvent =>
        {
            if (peerEvent is PeerEvent.Identified identified && identified.Protocols.Contains("/new/1"))
            {
                pushed.TrySetResult();
            }
        };
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await byB;
        b.Handle("/new/1", TestHosts.EchoAsync);
        await pushed.Task.WaitAsync(cancellationToken);
        Assert.That(a.Connections.Single().Protocols, Does.Contain("/new/1"));
    }

    [Test, CancelAfter(60_000)]
    public async Task PeerStore_AfterARestart_DialsKnownPeers(CancellationToken cancellationToken)
    {
        string path = Path.Combine(Path.GetTempPath(), $"cocoon-peers-{Guid.NewGuid():N}.json");
        try
        {
            await using Libp2pHost b = await TestHosts.StartAsync();
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            await using (Libp2pHost before = await TestHosts.StartAsync(peerStorePath: path, key: key))
            {
                await before.ConnectAsync(b.FullAddress(), cancellationToken);
            }

            await using Libp2pHost after = await TestHosts.StartAsync(peerStorePath: path, key: key);
            Assert.That(after.GetKnownPeers(), Is.EqualTo(new[] { b.LocalPeer }));
            await after.ConnectAsync(b.LocalPeer, cancellationToken);
            Assert.That(after.Connections, Has.Count.EqualTo(1));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Listen_OnATakenPort_Throws(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync();
        await using Libp2pHost second = new(new Libp2pHostOptions { Identity = Ed25519PrivateKey.Generate(), ListenAddresses = [a.Addresses[0]] });
        Assert.That(async () => await second.StartAsync(cancellationToken), Throws.InstanceOf<System.Net.Sockets.SocketException>());
    }

    [Test, CancelAfter(60_000)]
    public async Task Perf_BothDirections_MovesTheBytes(CancellationToken cancellationToken)
    {
        await using Libp2pHost a = await TestHosts.StartAsync(), b = await TestHosts.StartAsync(servePerf: true);
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        const ulong Size = 64 * 1024 * 1024;
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [PerfProtocol.Id], cancellationToken);
        (TimeSpan upload, TimeSpan download) = await PerfProtocol.MeasureAsync(stream, Size, Size, TimeProvider.System, cancellationToken);
        TestContext.Out.WriteLine($"up {Size * 8 / upload.TotalSeconds / 1e6:F0} Mbit/s, down {Size * 8 / download.TotalSeconds / 1e6:F0} Mbit/s");
    }
}
