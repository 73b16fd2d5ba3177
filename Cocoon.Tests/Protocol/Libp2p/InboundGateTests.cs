using System.Net;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class InboundGateTests
{
    private static readonly IPAddress Public = IPAddress.Parse("8.8.8.8");

    [Test]
    public void TryBeginUpgrade_OnePendingTooManyFromOneIp_IsRefusedOthersAreNot()
    {
        InboundGate gate = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: true);
        for (int i = 0; i < 4; i++)
        {
            Assert.That(gate.TryBeginUpgrade(Public), Is.True);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(gate.TryBeginUpgrade(Public), Is.False);
            Assert.That(gate.TryBeginUpgrade(IPAddress.Parse("8.8.4.4")), Is.True);
        }
    }

    [Test]
    public void TryBeginUpgrade_OpenConnectionsOfOneIp_AreLimited()
    {
        ManualTimeProvider time = new();
        InboundGate gate = new(new Libp2pLimits(), time, exemptPrivate: true);
        for (int i = 0; i < 8; i++)
        {
            Assert.That(gate.TryBeginUpgrade(Public), Is.True);
            gate.EndUpgrade(Public, opened: true);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.That(gate.TryBeginUpgrade(Public), Is.False);
        gate.Close(Public);
        Assert.That(gate.TryBeginUpgrade(Public), Is.True);
    }

    [Test]
    public void TryBeginUpgrade_AboveTheRate_IsRefusedUntilTimePasses()
    {
        ManualTimeProvider time = new();
        InboundGate gate = new(new Libp2pLimits { ConnectionsPerIp = 1000 }, time, exemptPrivate: true);
        for (int i = 0; i < 10; i++)
        {
            Assert.That(gate.TryBeginUpgrade(Public), Is.True);
            gate.EndUpgrade(Public, opened: false);
        }

        Assert.That(gate.TryBeginUpgrade(Public), Is.False);
        time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.That(gate.TryBeginUpgrade(Public), Is.True);
    }

    [Test]
    public void TryBeginUpgrade_Ipv6_CountsBy56Bits()
    {
        InboundGate gate = new(new Libp2pLimits { PendingUpgradesPerIp = 1 }, new ManualTimeProvider(), exemptPrivate: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(gate.TryBeginUpgrade(IPAddress.Parse("2606:4700:0:11aa::1")), Is.True);
            Assert.That(gate.TryBeginUpgrade(IPAddress.Parse("2606:4700:0:11bb::2")), Is.False);
            Assert.That(gate.TryBeginUpgrade(IPAddress.Parse("2606:4700:0:1200::1")), Is.True);
        }
    }

    [Test]
    public void TryBeginUpgrade_Private_IsExemptInLanModeButNotFromTheTotal()
    {
        InboundGate gate = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: true);
        for (int i = 0; i < 64; i++)
        {
            Assert.That(gate.TryBeginUpgrade(IPAddress.Loopback), Is.True);
        }

        Assert.That(gate.TryBeginUpgrade(IPAddress.Loopback), Is.False);
        InboundGate strict = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: false);
        for (int i = 0; i < 4; i++)
        {
            Assert.That(strict.TryBeginUpgrade(IPAddress.Loopback), Is.True);
        }

        Assert.That(strict.TryBeginUpgrade(IPAddress.Loopback), Is.False);
    }
}
