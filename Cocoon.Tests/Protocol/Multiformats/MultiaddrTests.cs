using System.Net;
using System.Text.Json;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Multiformats;

public sealed class MultiaddrTests
{
    private const string Peer = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB";

    [Test]
    public void Parse_GoldenAddresses_GiveTheirBytesAndText()
    {
        foreach (JsonProperty vector in GoldenVectors.Libp2p.GetProperty("multiaddr").EnumerateObject())
        {
            Multiaddr parsed = Multiaddr.Parse(vector.Name);
            Assert.That(Convert.ToHexStringLower(parsed.Bytes), Is.EqualTo(vector.Value.GetString()), vector.Name);
            Assert.That(Multiaddr.TryFromBytes(parsed.Bytes, out Multiaddr? read), vector.Name);
            Assert.That(read!.ToString(), Is.EqualTo(vector.Name));
            Assert.That(read, Is.EqualTo(parsed));
        }
    }

    /// <summary>What strangers send is as long as it may be, and we append to it.</summary>
    [Test]
    public void WithPeer_OfTheLongestAddress_IsLongerAndTheSame()
    {
        PeerId peer = PeerId.Parse(Peer);
        Multiaddr longest = LongAddresses.Relayed, named = longest.WithPeer(peer);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(longest.Bytes.Length, Is.EqualTo(Multiaddr.MaxLength));
            Assert.That(named.ToString(), Is.EqualTo($"{longest}/p2p/{Peer}"));
            Assert.That(named.Peer, Is.EqualTo(peer));
            Assert.That(named.WithPeer(peer), Is.EqualTo(named));
            Assert.That(named.WithoutPeer(), Is.EqualTo(longest));
            Assert.That(Multiaddr.TryFromBytes(named.Bytes, out _), Is.False, "nor is it read from anybody");
            Assert.That(Multiaddr.Parse("/ip4/1.2.3.4/tcp/5").WithPeer(peer), Is.EqualTo(Multiaddr.Parse($"/ip4/1.2.3.4/tcp/5/p2p/{Peer}")));
        }
    }

    [TestCase("/ip4/127.0.0.1/tcp/4001", "047f000001060fa1")]
    [TestCase("/ip4/10.0.0.1/udp/53", "040a00000191020035")]
    [TestCase("/dnsaddr/bootstrap.example", "3811626f6f7473747261702e6578616d706c65")]
    public void Parse_Text_GivesBytes(string text, string hex) =>
        Assert.That(Convert.ToHexStringLower(Multiaddr.Parse(text).Bytes), Is.EqualTo(hex));

    [TestCase("")]
    [TestCase("/")]
    [TestCase("ip4/1.2.3.4")]
    [TestCase("/ip4")]
    [TestCase("/ip4/1.2.3")]
    [TestCase("/ip4/1.2.3.4/tcp")]
    [TestCase("/ip4/1.2.3.4/tcp/65536")]
    [TestCase("/ip4/1.2.3.4/tcp/-1")]
    [TestCase("/ip4/::1/tcp/1")]
    [TestCase("/ip6/1.2.3.4/tcp/1")]
    [TestCase("/ip6/fe80::1%eth0/tcp/1")]
    [TestCase("/dns4//tcp/1")]
    [TestCase("/unknown/x")]
    [TestCase("/p2p/notapeer")]
    public void Parse_Malformed_ThrowsFormatException(string text) =>
        Assert.That(() => Multiaddr.Parse(text), Throws.InstanceOf<FormatException>());

    [TestCase("")]
    [TestCase("04")]
    [TestCase("047f0000")]
    [TestCase("047f00000106")]
    [TestCase("0406")]
    [TestCase("3600")]
    [TestCase("36032f2f2f")]
    [TestCase("ffff7f")]
    [TestCase("8400")]
    [TestCase("a50300")]
    public void TryFromBytes_Malformed_IsFalse(string hex) =>
        Assert.That(Multiaddr.TryFromBytes(Convert.FromHexString(hex), out _), Is.False);

    [Test]
    public void TryFromBytes_AboveTheLengthLimit_IsFalse()
    {
        byte[] bytes = new byte[Multiaddr.MaxLength + 8];
        for (int i = 0; i + 8 <= bytes.Length; i += 8)
        {
            Convert.FromHexString("047f000001060fa1").CopyTo(bytes, i);
        }

        Assert.That(Multiaddr.TryFromBytes(bytes, out _), Is.False);
    }

    [Test]
    public void WithPeer_AddsItOnceAndWithoutPeerTakesItOff()
    {
        Multiaddr bare = Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001");
        PeerId peer = PeerId.Parse(Peer);
        Multiaddr full = bare.WithPeer(peer);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(full.ToString(), Is.EqualTo($"/ip4/192.0.2.1/tcp/4001/p2p/{Peer}"));
            Assert.That(full.WithPeer(peer), Is.EqualTo(full));
            Assert.That(full.WithoutPeer(), Is.EqualTo(bare));
            Assert.That(full.Peer, Is.EqualTo(peer));
            Assert.That(bare.Peer, Is.Null);
        }
    }

    [Test]
    public void TryGetTcpEndPoint_OnlyDirectTcp_IsTrue()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Multiaddr.Parse($"/ip4/192.0.2.1/tcp/4001/p2p/{Peer}").TryGetTcpEndPoint(out IPEndPoint? endPoint), Is.True);
            Assert.That(endPoint, Is.EqualTo(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 4001)));
            Assert.That(Multiaddr.Parse("/ip4/192.0.2.1/udp/4001").TryGetTcpEndPoint(out _), Is.False);
            Assert.That(Multiaddr.Parse("/dns4/a.example/tcp/1").TryGetTcpEndPoint(out _), Is.False);
            Assert.That(Multiaddr.Parse($"/ip4/192.0.2.1/tcp/1/p2p/{Peer}/p2p-circuit").TryGetTcpEndPoint(out _), Is.False);
            Assert.That(Multiaddr.Parse($"/ip4/192.0.2.1/tcp/1/p2p/{Peer}/p2p-circuit").IsRelayed, Is.True);
        }
    }

    [Test]
    public void FromEndPoint_MappedIpv4_BecomesIp4() =>
        Assert.That(
            Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse("::ffff:192.0.2.1"), 5)).ToString(), Is.EqualTo("/ip4/192.0.2.1/tcp/5"));

    [TestCase("8.8.8.8", IpScope.Public)]
    [TestCase("10.1.2.3", IpScope.Private)]
    [TestCase("172.31.0.1", IpScope.Private)]
    [TestCase("172.32.0.1", IpScope.Public)]
    [TestCase("192.168.1.1", IpScope.Private)]
    [TestCase("100.64.0.1", IpScope.Private)]
    [TestCase("169.254.1.1", IpScope.Private)]
    [TestCase("127.9.9.9", IpScope.Loopback)]
    [TestCase("0.0.0.0", IpScope.Unusable)]
    [TestCase("224.0.0.1", IpScope.Unusable)]
    [TestCase("192.0.2.1", IpScope.Unusable)]
    [TestCase("::1", IpScope.Loopback)]
    [TestCase("::", IpScope.Unusable)]
    [TestCase("fe80::1", IpScope.Private)]
    [TestCase("fd00::1", IpScope.Private)]
    [TestCase("ff02::fb", IpScope.Unusable)]
    [TestCase("2001:db8::1", IpScope.Unusable)]
    [TestCase("2606:4700::1", IpScope.Public)]
    [TestCase("::ffff:10.0.0.1", IpScope.Private)]
    public void IpScope_OfAddress_IsClassified(string ip, IpScope expected) =>
        Assert.That(IpScopes.Of(IPAddress.Parse(ip)), Is.EqualTo(expected));
}
