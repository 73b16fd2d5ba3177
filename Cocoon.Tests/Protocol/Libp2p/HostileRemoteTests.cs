using System.Net.Sockets;
using System.Security.Cryptography;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Multistream;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>What a hostile remote sends ends its own connection or stream; honest traffic goes on.</summary>
public sealed class HostileRemoteTests
{
    [Test, CancelAfter(90_000)]
    public async Task Garbage_AtEachStageOfTheHandshake_ClosesOnlyThatConnection(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(), honest = await TestHosts.StartAsync();
        byte[] negotiated = MultistreamSelect.EncodeProposal("/noise");
        byte[][] attacks =
        [
            RandomNumberGenerator.GetBytes(200),
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(),
            [0xff, 0xff, 0xff, 0xff, 0x7f],
            MultistreamSelect.EncodeProposal("/tls/1.0.0")[..^1],
            [.. negotiated, 0x00, 0x00],
            [.. negotiated, 0x00, 0x1f, .. new byte[31]],
            [.. negotiated, 0x00, 0x20, .. new byte[32]],
            [.. negotiated, 0xff, 0xff, .. new byte[5000]],
            [.. negotiated, 0x00, 0x20, .. RandomNumberGenerator.GetBytes(32), 0x00, 0x60, .. RandomNumberGenerator.GetBytes(96)],
        ];
        foreach (byte[] attack in attacks)
        {
            using Socket socket = await RawPeer.ConnectSocketAsync(host, cancellationToken);
            await socket.SendAsync(attack, cancellationToken);
            socket.Shutdown(SocketShutdown.Send);
            await ReadToEndAsync(socket, cancellationToken);
        }

        await honest.ConnectAsync(host.FullAddress(), cancellationToken);
        await honest.PingAsync(host.LocalPeer, cancellationToken);
        Assert.That(host.Connections, Has.Count.EqualTo(1));
    }

    [Test, CancelAfter(90_000)]
    public async Task Frames_ThatViolateYamux_AreAnsweredByGoAway(CancellationToken cancellationToken)
    {
        // Time stands still, so that no allowance is refilled on a slow machine.
        await using Libp2pHost host = await StartWithAsync(new ManualTimeProvider(), new Libp2pLimits());
        byte[][] attacks =
        [
            [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 2, 0),
            RawPeer.Frame(YamuxFrameType.Data, YamuxFlags.Syn, 1, YamuxStream.InitialWindow + 1),
            [.. RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0), .. RawPeer.Frame(YamuxFrameType.WindowUpdate, YamuxFlags.None, 1, uint.MaxValue)],
            RawPeer.Frame(YamuxFrameType.Ping, YamuxFlags.Ack, 0, 12345),
            [.. Enumerable.Repeat(RawPeer.Frame(YamuxFrameType.Ping, YamuxFlags.Syn, 0, 1), 300).SelectMany(frame => frame)],
        ];
        foreach (byte[] attack in attacks)
        {
            await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
            await peer.SendAsync(attack, cancellationToken);
            Assert.That(await peer.EndsWithAsync(YamuxGoAway.ProtocolError, cancellationToken), Is.True, Convert.ToHexStringLower(attack.AsSpan(0, 12)));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Streams_MoreThanAllowed_AreResetAndTheConnectionStays(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync(new Libp2pLimits { InboundStreams = 8 });
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        for (uint i = 0; i < 9; i++)
        {
            await peer.OpenAsync((2 * i) + 1, TestHosts.EchoProtocol, cancellationToken);
        }

        YamuxHeader? reset = await peer.NextAsync(frame => (frame.Flags & YamuxFlags.Rst) != 0, cancellationToken);
        await peer.SendAsync(YamuxFrameType.Ping, YamuxFlags.Syn, 0, 7, cancellationToken);
        YamuxHeader? pong = await peer.NextAsync(frame => frame is { Type: YamuxFrameType.Ping, Flags: YamuxFlags.Ack }, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(reset?.StreamId, Is.EqualTo(17));
            Assert.That(pong?.Length, Is.EqualTo(7));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Streams_OfOneProtocol_AreLimitedByItsOwnNumber(CancellationToken cancellationToken)
    {
        await using Libp2pHost host = await TestHosts.StartAsync();
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        for (uint i = 0; i < 3; i++)
        {
            await peer.OpenAsync((2 * i) + 1, "/ipfs/ping/1.0.0", cancellationToken);
        }

        Assert.That(await peer.NextAsync(frame => (frame.Flags & YamuxFlags.Rst) != 0, cancellationToken), Is.Not.Null);
    }

    [Test, CancelAfter(90_000)]
    public async Task Handshake_ThatNeverMovesOn_IsClosedAfterItsTime(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await StartWithAsync(time, new Libp2pLimits());
        using Socket silent = await RawPeer.ConnectSocketAsync(host, cancellationToken), slow = await RawPeer.ConnectSocketAsync(host, cancellationToken);
        using Socket dripping = await RawPeer.ConnectSocketAsync(host, cancellationToken);
        await slow.SendAsync(MultistreamSelect.EncodeProposal("/noise"), cancellationToken);
        Task drip = DripAsync(dripping, [.. MultistreamSelect.EncodeProposal("/noise"), 0x0f, 0xff, .. new byte[4096]], cancellationToken);
        await time.AdvanceUntilAsync(
            Task.WhenAll(ReadToEndAsync(silent, cancellationToken), ReadToEndAsync(slow, cancellationToken), ReadToEndAsync(dripping, cancellationToken), drip), cancellationToken);
        Assert.That(host.Connections, Is.Empty);
    }

    [Test, CancelAfter(90_000)]
    public async Task Stream_ThatNeverNegotiatesOrFallsSilent_IsReset(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await StartWithAsync(time, new Libp2pLimits { KeepAliveInterval = TimeSpan.FromHours(1), PingInterval = TimeSpan.FromHours(1) });
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        await WaitUntilUpAsync(peer, cancellationToken);
        await peer.SendAsync(YamuxFrameType.WindowUpdate, YamuxFlags.Syn, 1, 0, cancellationToken);
        await peer.OpenAsync(3, TestHosts.EchoProtocol, cancellationToken);
        Task<YamuxHeader?> first = peer.NextAsync(frame => frame is { StreamId: 1, Flags: YamuxFlags.Rst }, cancellationToken);
        await time.AdvanceUntilAsync(first, cancellationToken);
        Task<YamuxHeader?> second = peer.NextAsync(frame => frame is { StreamId: 3, Flags: YamuxFlags.Rst }, cancellationToken);
        await time.AdvanceUntilAsync(second, cancellationToken);
        Assert.That(await first, Is.Not.Null);
        Assert.That(await second, Is.Not.Null);
    }

    [Test, CancelAfter(90_000)]
    public async Task Connection_ThatAnswersNoKeepAlive_IsClosed(CancellationToken cancellationToken)
    {
        ManualTimeProvider time = new();
        await using Libp2pHost host = await StartWithAsync(time, new Libp2pLimits());
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        await WaitUntilUpAsync(peer, cancellationToken);
        await time.AdvanceUntilAsync(peer.NextAsync(_ => false, cancellationToken), cancellationToken);
        Assert.That(host.Connections, Is.Empty);
    }

    [Test, CancelAfter(90_000)]
    public async Task Connections_FromOneAddress_AreLimited(CancellationToken cancellationToken)
    {
        // Loopback is not exempt without the LAN setting.
        Libp2pLimits limits = new();
        await using Libp2pHost host = await TestHosts.StartAsync(limits, time: new ManualTimeProvider(), allowPrivate: false);
        List<RawPeer> peers = [];
        try
        {
            for (int i = 0; i < limits.ConnectionsPerIp; i++)
            {
                peers.Add(await DialAsync(host, cancellationToken));
                await WaitUntilUpAsync(peers[i], cancellationToken);
            }

            await Assert.ThatAsync(() => DialAsync(host, cancellationToken), Throws.InstanceOf<IOException>());
            Assert.That(host.Connections, Has.Count.EqualTo(limits.ConnectionsPerIp));
        }
        finally
        {
            // Before the host: its time stands still, and it gives those it leaves a while to say goodbye.
            foreach (RawPeer peer in peers)
            {
                await peer.DisposeAsync();
            }
        }

        static async Task<RawPeer> DialAsync(Libp2pHost host, CancellationToken cancellationToken)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(host.ListenEndPoints[0], cancellationToken);
            return await RawPeer.DialAsync(socket, key, host, cancellationToken);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Connections_OfOnePeer_AreLimited_AndTheOldStay(CancellationToken cancellationToken)
    {
        Libp2pLimits limits = new();
        await using Libp2pHost host = await TestHosts.StartAsync(limits);
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        List<RawPeer> peers = [];
        for (int i = 0; i < limits.ConnectionsPerPeer; i++)
        {
            peers.Add(await RawPeer.ConnectAsync(host, cancellationToken, key));
            await WaitUntilUpAsync(peers[i], cancellationToken);
        }

        peers.Add(await RawPeer.ConnectAsync(host, cancellationToken, key));
        Assert.That(await peers[^1].EndsWithAsync(YamuxGoAway.Normal, cancellationToken), Is.True);
        Assert.That(host.Connections, Has.Count.EqualTo(limits.ConnectionsPerPeer));
        await peers[0].SendAsync(YamuxFrameType.Ping, YamuxFlags.Syn, 0, 7, cancellationToken);
        Assert.That(await peers[0].NextAsync(frame => frame is { Type: YamuxFrameType.Ping, Flags: YamuxFlags.Ack, Length: 7 }, cancellationToken), Is.Not.Null);
        foreach (RawPeer peer in peers)
        {
            await peer.DisposeAsync();
        }
    }

    /// <summary>Each would have us read, check and store a record.</summary>
    [Test, CancelAfter(90_000)]
    public async Task IdentifyPushes_AboveTheirRate_AreReset_AndTheConnectionStays(CancellationToken cancellationToken)
    {
        // Time stands still: no push runs out of it, and no minute passes.
        await using Libp2pHost host = await StartWithAsync(new ManualTimeProvider(), new Libp2pLimits { PushesPerMinute = 2 });
        await using RawPeer peer = await RawPeer.ConnectAsync(host, cancellationToken);
        await WaitUntilUpAsync(peer, cancellationToken);
        for (uint i = 0; i < 3; i++)
        {
            await peer.OpenAsync((2 * i) + 1, "/ipfs/id/push/1.0.0", cancellationToken);
        }

        Assert.That(await peer.NextAsync(frame => (frame.Flags & YamuxFlags.Rst) != 0, cancellationToken), Is.Not.Null, "one of the three");
        await peer.SendAsync(YamuxFrameType.Ping, YamuxFlags.Syn, 0, 7, cancellationToken);
        Assert.That(await peer.NextAsync(frame => frame is { Type: YamuxFrameType.Ping, Flags: YamuxFlags.Ack, Length: 7 }, cancellationToken), Is.Not.Null);
    }

    [Test, CancelAfter(90_000)]
    public async Task Connections_OfTheNode_AreLimited(CancellationToken cancellationToken)
    {
        await using Libp2pHost announced = await TestHosts.StartAsync(new Libp2pLimits { ConnectionsHard = 3 });
        List<RawPeer> peers = [];
        for (int i = 0; i < 3; i++)
        {
            peers.Add(await RawPeer.ConnectAsync(announced, cancellationToken));
        }

        RawPeer refused = await RawPeer.ConnectAsync(announced, cancellationToken);
        Assert.That(await refused.EndsWithAsync(YamuxGoAway.Normal, cancellationToken), Is.True);
        Assert.That(announced.Connections, Has.Count.EqualTo(3));
        foreach (RawPeer peer in peers.Append(refused))
        {
            await peer.DisposeAsync();
        }
    }

    private static async Task<Libp2pHost> StartWithAsync(TimeProvider time, Libp2pLimits limits)
    {
        Libp2pHost host = new(new Libp2pHostOptions
        {
            Identity = Ed25519PrivateKey.Generate(),
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            AllowPrivateAddresses = true,
            TimeProvider = time,
            Limits = limits with { CloseTimeout = TimeSpan.Zero },
        });
        host.Handle(TestHosts.EchoProtocol, TestHosts.EchoAsync);
        await host.StartAsync(CancellationToken.None);
        return host;
    }

    /// <summary>The host's first ping says that its side of the handshake is over, so that moving the clock does not hit that.</summary>
    private static async Task WaitUntilUpAsync(RawPeer peer, CancellationToken cancellationToken) =>
        Assert.That(await peer.NextAsync(frame => frame.Type == YamuxFrameType.Ping, cancellationToken), Is.Not.Null);

    /// <summary>Slow-loris: something always moves, and nothing comes of it.</summary>
    private static async Task DripAsync(Socket socket, byte[] bytes, CancellationToken cancellationToken)
    {
        using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(5));
        try
        {
            for (int i = 0; i < bytes.Length && await pace.WaitForNextTickAsync(cancellationToken); i++)
            {
                await socket.SendAsync(bytes.AsMemory(i, 1), cancellationToken);
            }

            Assert.Fail("All of it was taken.");
        }
        catch (SocketException)
        {
            // The host has hung up.
        }
    }

    private static async Task ReadToEndAsync(Socket socket, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[1024];
        try
        {
            while (await socket.ReceiveAsync(buffer, cancellationToken) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Reset: closed all the same.
        }
    }
}
