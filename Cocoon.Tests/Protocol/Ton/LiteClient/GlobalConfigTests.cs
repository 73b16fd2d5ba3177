using System.Text;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.LiteClient;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

public sealed class GlobalConfigTests
{
    private const string Hash = "VpWyfNOLm8Rqt6CZZ9dZGqJRO3NyrlHHYN1k1oLbJ6g=";
    private const string Server = """{"ip":-1185526007,"port":4701,"id":{"@type":"pub.ed25519","key":"aF91CuUHuuOv9rm2W5+O/4h38M3sRm40DtSdRxQhmtQ="}}""";

    private static string Block(uint seqno) => $$"""{"file_hash":"{{Hash}}","seqno":{{seqno}},"root_hash":"{{Hash}}","workchain":-1,"shard":-9223372036854775808}""";

    private static GlobalConfig Parse(string json) => GlobalConfig.Parse(Encoding.UTF8.GetBytes(json));

    [Test]
    public void Parse_OfThePublicFormat_GivesServersAndTheNewestTrustedBlock()
    {
        GlobalConfig config = Parse($$$"""
            {"@type":"config.global","dht":{},"liteservers":[{{{Server}}}],
             "validator":{"@type":"validator.config.global","zero_state":{{{Block(0)}}},"init_block":{{{Block(100)}}},"hardforks":[{{{Block(90)}}},{{{Block(200)}}}]}}
            """);
        Assert.That((config.Servers[0].Host, config.Servers[0].Port), Is.EqualTo(("185.86.79.9", 4701)));
        Assert.That(config.Servers[0].Key.ToString(), Does.StartWith("685f750ae507bae3"));
        Assert.That((config.Anchor!.Value.Seqno, config.Anchor.Value.RootHash.ToBase64()), Is.EqualTo((200U, Hash)));
    }

    [Test]
    public void Parse_WithoutAKeyBlock_HasNoAnchor()
    {
        Assert.That(Parse($$"""{"liteservers":[{{Server}}]}""").Anchor, Is.Null);
        Assert.That(Parse($$$"""{"liteservers":[{{{Server}}}],"validator":{"init_block":{{{Block(0)}}}}}""").Anchor, Is.Null);
    }

    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("""{"liteservers":[]}""")]
    [TestCase("""{"liteservers":[{}]}""")]
    [TestCase("""{"liteservers":[{"ip":1,"port":0,"id":{"key":"aF91CuUHuuOv9rm2W5+O/4h38M3sRm40DtSdRxQhmtQ="}}]}""")]
    [TestCase("""{"liteservers":[{"ip":1,"port":1,"id":{"key":"aF91"}}]}""")]
    [TestCase("""{"liteservers":[{"ip":1,"port":1,"id":{"key":7}}]}""")]
    [TestCase("""{"liteservers":[{"ip":1,"port":1,"id":{"key":"aF91CuUHuuOv9rm2W5+O/4h38M3sRm40DtSdRxQhmtQ="}}],"validator":{"init_block":{"seqno":-1}}}""")]
    [TestCase("""{"liteservers":[{"ip":1,"port":1,"id":{"key":"aF91CuUHuuOv9rm2W5+O/4h38M3sRm40DtSdRxQhmtQ="}}],"validator":7}""")]
    public void Parse_OfAnythingElse_IsAProtocolError(string json) => Assert.That(() => Parse(json), Throws.TypeOf<TonException>());
}
