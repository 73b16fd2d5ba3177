using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Mdns;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Mdns;

/// <summary>Real sockets and real multicast on the loopback interface, on a port of its own so that no other responder joins in.</summary>
[CancelAfter(60_000)]
public sealed class MdnsDiscoveryTests
{
    [Test]
    public async Task Peers_OnOneNetwork_FindEachOther_AndSurviveGarbage(CancellationToken cancellationToken)
    {
        MdnsOptions options = new() { IncludesLoopback = true, Group = new IPEndPoint(IPAddress.Parse("224.0.0.251"), FreePort()), FirstInterval = TimeSpan.FromMilliseconds(500) };
        (PeerId first, PeerId second) = (NewPeer(), NewPeer());
        await using MdnsDiscovery one = Create(options, first, 4001), two = Create(options, second, 4002);
        Task<LanPeer> foundTwo = NextAsync(one, second), foundOne = NextAsync(two, first);
        one.Start();
        if (one.Interfaces.Count == 0 || !await CarriesMulticastAsync(options, cancellationToken))
        {
            Assert.Ignore("the loopback interface carries no multicast here");
        }

        two.Start();
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        stranger.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.Loopback.GetAddressBytes());
        for (int i = 0; i < 20; i++)
        {
            await stranger.SendToAsync(new byte[i * 100], SocketFlags.None, options.Group, cancellationToken);
        }

        LanPeer seenByOne = await foundTwo.WaitAsync(cancellationToken), seenByTwo = await foundOne.WaitAsync(cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seenByOne.Addresses.Select(a => a.ToString()), Is.EqualTo(new[] { "/ip4/127.0.0.1/tcp/4002" }));
            Assert.That(seenByTwo.Addresses.Select(a => a.ToString()), Is.EqualTo(new[] { "/ip4/127.0.0.1/tcp/4001" }));
        }
    }

    private static MdnsDiscovery Create(MdnsOptions options, PeerId peer, int port) =>
        new(options, peer, () => [new IPEndPoint(IPAddress.Loopback, port)], TimeProvider.System, NullLogger.Instance);

    private static Task<LanPeer> NextAsync(MdnsDiscovery discovery, PeerId wanted)
    {
        TaskCompletionSource<LanPeer> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        discovery.Found += peer =>
        {
            if (peer.Peer == wanted)
            {
                found.TrySetResult(peer);
            }
        };
        return found.Task;
    }

    /// <summary>Whether a datagram to the group comes back on this machine at all.</summary>
    private static async Task<bool> CarriesMulticastAsync(MdnsOptions options, CancellationToken cancellationToken)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        socket.Bind(new IPEndPoint(IPAddress.Any, options.Group.Port));
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(options.Group.Address, IPAddress.Loopback));
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.Loopback.GetAddressBytes());
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            await socket.SendToAsync(new byte[1], SocketFlags.None, options.Group, limit.Token);
            await socket.ReceiveFromAsync(new byte[2048], SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), limit.Token);
            return true;
        }
        catch (Exception exception) when (exception is SocketException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }
}
