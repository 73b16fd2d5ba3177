using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Libp2p.Transports;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Transports;

public sealed class SocketConnectionTests
{
    /// <summary>Small frames wait for nothing, on either side.</summary>
    [Test]
    public async Task Connection_OfEitherSide_SendsWithoutDelay()
    {
        using Socket listener = new(SocketType.Stream, ProtocolType.Tcp), dialer = new(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        listener.Listen();
        await dialer.ConnectAsync(listener.LocalEndPoint!);
        using Socket accepted = await listener.AcceptAsync();
        Assert.That((dialer.NoDelay, accepted.NoDelay), Is.EqualTo((false, false)), "as the system gives them");
        await using SocketConnection ours = new(dialer), theirs = new(accepted);
        Assert.That((dialer.NoDelay, accepted.NoDelay), Is.EqualTo((true, true)));
        Assert.That(ours.RemoteAddress, Is.EqualTo(theirs.LocalAddress));
    }
}
