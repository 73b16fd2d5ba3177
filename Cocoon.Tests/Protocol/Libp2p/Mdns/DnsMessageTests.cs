using Cocoon.Protocol.Libp2p.Protocols.Mdns;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Mdns;

public sealed class DnsMessageTests
{
    private const string Service = "_p2p._udp.local";

    /// <summary>RFC 1035, section 4.1: header with one question, name in three labels, type PTR, class IN.</summary>
    private const string Query = "000000000001000000000000" + "045f703270" + "045f756470" + "056c6f63616c" + "00" + "000c" + "0001";

    [Test]
    public void Query_IsTheBytesOfTheRfc() => Assert.That(Convert.ToHexStringLower(DnsMessageWriter.Query(Service)), Is.EqualTo(Query));

    [Test]
    public void Answer_ReadBack_GivesPointerAndTexts()
    {
        byte[] bytes = DnsMessageWriter.Answer(Service, "name1", ["dnsaddr=/ip4/10.0.0.1/tcp/1", "b"], TimeSpan.FromMinutes(2));
        Assert.That(DnsMessageReader.TryRead(bytes, out DnsMessage? read), Is.True);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read!.IsResponse, Is.True);
            Assert.That(read.Questions, Is.Empty);
            Assert.That(read.Records.Select(r => (r.Name, r.Type, r.Seconds)), Is.EqualTo(new[] { (Service, DnsType.Ptr, 120u), ($"name1.{Service}", DnsType.Txt, 120u) }));
            Assert.That(read.Records[0].Target, Is.EqualTo($"name1.{Service}"));
            Assert.That(read.Records[1].Texts, Is.EqualTo(new[] { "dnsaddr=/ip4/10.0.0.1/tcp/1", "b" }));
        }
    }

    [TestCase("00000000000100000000000" + "0c00c" + "000c0001", TestName = "a name that points at itself")]
    [TestCase("000000000001000000000000" + "c00e" + "c00c" + "000c0001", TestName = "a name that points forwards")]
    [TestCase("000000000001000000000000" + "c000" + "000c0001", TestName = "a name that points into the header")]
    [TestCase("000000000001000000000000" + "045f7032", TestName = "a label that ends early")]
    [TestCase("000000000001000000000000" + "405f", TestName = "a reserved label type")]
    [TestCase("00000000ffff000000000000", TestName = "more questions than there are bytes")]
    [TestCase("000084000000ffff00000000", TestName = "more records than we read")]
    [TestCase("000000000001000000000000" + "00" + "000c", TestName = "a question without class")]
    [TestCase("000084000000000100000000" + "00" + "0010" + "0001" + "00000078" + "0003" + "05616263", TestName = "a text longer than its record")]
    [TestCase("000084000000000100000000" + "00" + "0010" + "0001" + "00000078" + "00ff" + "0161", TestName = "a record longer than its message")]
    [TestCase("000028000001000000000000" + "00" + "000c0001", TestName = "another operation than query")]
    [TestCase("", TestName = "nothing")]
    public void Read_Malformed_IsRefused(string hex) => Assert.That(DnsMessageReader.TryRead(Convert.FromHexString(hex), out _), Is.False);

    [Test]
    public void Read_OtherTypesAndClasses_AreSkipped()
    {
        // A (1) and PTR of class CHAOS (3) between them, and a PTR with the cache-flush bit.
        byte[] bytes = Convert.FromHexString("000084000000000300000000" + "00" + "0001" + "0001" + "00000078" + "0004" + "7f000001" + "00" + "000c" + "0003" + "00000078" + "0001" + "00" + "0161" + "00" + "000c" + "8001" + "00000078" + "0003" + "016200");
        Assert.That(DnsMessageReader.TryRead(bytes, out DnsMessage? read), Is.True);
        Assert.That(read!.Records.Select(r => (r.Name, r.Target)), Is.EqualTo(new[] { ("a", (string?)"b") }));
    }
}
