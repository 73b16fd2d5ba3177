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
    public void BeginUpgrade_OnePendingTooManyFromOneIp_IsRefusedOthersAreNot()
    {
        InboundGate gate = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: true);
        for (int i = 0; i < 4; i++)
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Refused));
            Assert.That(gate.BeginUpgrade(IPAddress.Parse("8.8.4.4")), Is.EqualTo(InboundVerdict.Admitted));
        }
    }

    [Test]
    public void BeginUpgrade_OpenConnectionsOfOneIp_AreLimited()
    {
        ManualTimeProvider time = new();
        InboundGate gate = new(new Libp2pLimits(), time, exemptPrivate: true);
        for (int i = 0; i < 8; i++)
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
            gate.EndUpgrade(Public, opened: true);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Refused));
        gate.Close(Public);
        Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
    }

    [Test]
    public void BeginUpgrade_AboveTheRate_IsRefusedUntilTimePasses()
    {
        ManualTimeProvider time = new();
        InboundGate gate = new(new Libp2pLimits { ConnectionsPerIp = 1000 }, time, exemptPrivate: true);
        for (int i = 0; i < 10; i++)
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
            gate.EndUpgrade(Public, opened: false);
        }

        Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Refused));
        time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
    }

    [Test]
    public void BeginUpgrade_Ipv6_CountsBy56Bits()
    {
        InboundGate gate = new(new Libp2pLimits { PendingUpgradesPerIp = 1 }, new ManualTimeProvider(), exemptPrivate: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(gate.BeginUpgrade(IPAddress.Parse("2606:4700:0:11aa::1")), Is.EqualTo(InboundVerdict.Admitted));
            Assert.That(gate.BeginUpgrade(IPAddress.Parse("2606:4700:0:11bb::2")), Is.EqualTo(InboundVerdict.Refused));
            Assert.That(gate.BeginUpgrade(IPAddress.Parse("2606:4700:0:1200::1")), Is.EqualTo(InboundVerdict.Admitted));
        }
    }

    [Test]
    public void BeginUpgrade_Private_IsExemptInLanModeButNotFromTheTotal()
    {
        InboundGate gate = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: true);
        for (int i = 0; i < 64; i++)
        {
            Assert.That(gate.BeginUpgrade(IPAddress.Loopback), Is.EqualTo(InboundVerdict.Admitted));
        }

        Assert.That(gate.BeginUpgrade(IPAddress.Loopback), Is.EqualTo(InboundVerdict.Full));
        InboundGate strict = new(new Libp2pLimits(), new ManualTimeProvider(), exemptPrivate: false);
        for (int i = 0; i < 4; i++)
        {
            Assert.That(strict.BeginUpgrade(IPAddress.Loopback), Is.EqualTo(InboundVerdict.Admitted));
        }

        Assert.That(strict.BeginUpgrade(IPAddress.Loopback), Is.EqualTo(InboundVerdict.Refused));
    }

    [Test]
    public void BeginUpgrade_AllPlacesTaken_SaysFullOnlyToWhomAPlaceCouldHelp()
    {
        InboundGate gate = new(new Libp2pLimits { PendingUpgrades = 4 }, new ManualTimeProvider(), exemptPrivate: true);
        for (int i = 0; i < 4; i++)
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Admitted));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(gate.BeginUpgrade(Public), Is.EqualTo(InboundVerdict.Refused));
            Assert.That(gate.BeginUpgrade(IPAddress.Parse("8.8.4.4")), Is.EqualTo(InboundVerdict.Full));
        }
    }

    /// <summary>A /48 is to be had for nothing, and has 256 customers' worth of addresses.</summary>
    [TestCase("2606:4700:0:{0:x}00::1", "2606:4700:1::1")]
    [TestCase("8.8.4.{0}", "8.8.5.1")]
    public void BeginUpgrade_ManyAddressesOfOneNetwork_HaveTheNetworksShare(string within, string without)
    {
        ManualTimeProvider time = new();
        InboundGate gate = new(new Libp2pLimits(), time, exemptPrivate: true);
        IPAddress Address(int i) => IPAddress.Parse(string.Format(System.Globalization.CultureInfo.InvariantCulture, within, i));
        Assert.That(Enumerable.Range(0, 64).Count(i => gate.BeginUpgrade(Address(i)) == InboundVerdict.Admitted), Is.EqualTo(16), "in their handshake");
        for (int i = 0; i < 16; i++)
        {
            gate.EndUpgrade(Address(i), opened: true);
        }

        int open = 16;
        for (int i = 16; i < 200; i++)
        {
            if (gate.BeginUpgrade(Address(i)) == InboundVerdict.Admitted)
            {
                gate.EndUpgrade(Address(i), opened: true);
                open++;
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(open, Is.EqualTo(64));
            Assert.That(gate.BeginUpgrade(IPAddress.Parse(without)), Is.EqualTo(InboundVerdict.Admitted), "another network");
            gate.Close(Address(0));
            gate.Sweep();
            Assert.That(gate.BeginUpgrade(Address(199)), Is.EqualTo(InboundVerdict.Admitted), "a place is free");
        }
    }
}
