using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Mdns;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Mdns;

public sealed class MdnsResponderTests
{
    private static readonly MdnsOptions s_options = new();

    private readonly ManualTimeProvider _time = new();
    private readonly PeerId _peer = NewPeer();
    private readonly PeerId _other = NewPeer();

    [Test]
    public void Answer_TellsAddressesOfThisNetworkOnly_UnderANameThatIsNotThePeer()
    {
        MdnsResponder responder = Create(_peer, "/ip4/192.168.1.2/tcp/4484", "/ip4/8.8.8.8/tcp/4484", "/ip4/127.0.0.1/tcp/4484");
        DnsMessage answer = Read(responder.Answer()!);
        string name = answer.Records[0].Target!.Split('.')[0];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answer.Records[1].Texts, Is.EqualTo(new[] { $"dnsaddr=/ip4/192.168.1.2/tcp/4484/p2p/{_peer}" }));
            Assert.That(name, Does.Match("^[a-z0-9]{32,63}$"));
            Assert.That(Create(_peer, "/ip4/8.8.8.8/tcp/1").Answer(), Is.Null, "nothing to say here");
        }
    }

    [Test]
    public void ReadPeers_OfAnotherResponder_FindsIt()
    {
        byte[] answer = Create(_other, "/ip4/192.168.1.3/tcp/1", "/ip6/fd00::3/tcp/1").Answer()!;
        LanPeer found = Create(_peer).ReadPeers(Read(answer)).Single();
        Assert.That(found.Peer, Is.EqualTo(_other));
        Assert.That(found.Addresses.Select(a => a.ToString()), Is.EqualTo(new[] { "/ip4/192.168.1.3/tcp/1", "/ip6/fd00::3/tcp/1" }));
    }

    [Test]
    public void ReadPeers_OurselvesFarewellsQuestionsAndOtherServices_AreNobody()
    {
        MdnsResponder responder = Create(_peer, "/ip4/192.168.1.2/tcp/1"), other = Create(_other, "/ip4/192.168.1.3/tcp/1");
        byte[] foreign = DnsMessageWriter.Answer("_other._udp.local", "x", [$"dnsaddr=/ip4/192.168.1.3/tcp/1/p2p/{_other}"], TimeSpan.FromMinutes(1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(responder.ReadPeers(Read(responder.Answer()!)), Is.Empty);
            Assert.That(responder.ReadPeers(Read(other.Answer(isFarewell: true)!)), Is.Empty);
            Assert.That(responder.ReadPeers(Read(other.Query())), Is.Empty);
            Assert.That(responder.ReadPeers(Read(foreign)), Is.Empty);
        }
    }

    [TestCase("/ip4/8.8.8.8/tcp/22", TestName = "a victim in the world")]
    [TestCase("/ip4/127.0.0.1/tcp/6379", TestName = "a service on this machine")]
    [TestCase("/ip4/0.0.0.0/tcp/1", TestName = "nowhere")]
    [TestCase("/dns4/victim.example/tcp/1", TestName = "a name")]
    public void ReadPeers_AddressesThatAreNotOfThisNetwork_AreLeftOut(string address)
    {
        byte[] answer = DnsMessageWriter.Answer(s_options.Service, "x", [$"dnsaddr={address}/p2p/{_other}"], TimeSpan.FromMinutes(1));
        Assert.That(Create(_peer).ReadPeers(Read(answer)), Is.Empty);
    }

    [Test]
    public void ReadPeers_Flood_IsCut()
    {
        string[] texts = [.. Enumerable.Range(1, 60).Select(i => $"dnsaddr=/ip4/10.0.0.{i}/tcp/1/p2p/{_other}")];
        Assert.That(Create(_peer).ReadPeers(Read(DnsMessageWriter.Answer(s_options.Service, "x", texts, TimeSpan.FromMinutes(1)))).Sum(p => p.Addresses.Count), Is.EqualTo(s_options.AddressesPerMessage));
    }

    [Test]
    public void Questions_AreAnsweredOncePerSecond()
    {
        MdnsResponder responder = Create(_peer, "/ip4/192.168.1.2/tcp/1");
        DnsMessage question = Read(Create(_other).Query());
        Assert.That((responder.TryTakeQuestion(question), responder.TryTakeQuestion(question)), Is.EqualTo((true, false)));
        _time.Advance(s_options.AnswerInterval);
        Assert.That(responder.TryTakeQuestion(question), Is.True);
    }

    private MdnsResponder Create(PeerId local, params string[] addresses) => new(s_options, local, isLoopback: false, () => [.. addresses.Select(Multiaddr.Parse)], _time);

    private static DnsMessage Read(byte[] bytes) => DnsMessageReader.TryRead(bytes, out DnsMessage? message) ? message : throw new AssertionException("not readable");

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }
}
