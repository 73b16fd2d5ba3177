using System.Text.Json;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

public sealed class KadWireTests
{
    private static PeerId GoldenPeer =>
        PeerId.FromPublicKey(Ed25519PrivateKey.FromSeed(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()).PublicKey);

    [Test]
    public void Messages_Encoded_AreGolden()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("kad");
        byte[] key = "/cocoon/k"u8.ToArray();
        KadRecord record = new(key, "v"u8.ToArray(), "2026-01-01T00:00:00.000Z");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Frame(new KadMessage(KadMessageType.FindNode) { Key = GoldenPeer.Memory }), Is.EqualTo(golden.Hex("findNode")));
            Assert.That(Frame(new KadMessage(KadMessageType.GetValue) { Key = key }), Is.EqualTo(golden.Hex("getValue")));
            Assert.That(KadMessageWriter.Write(record), Is.EqualTo(golden.Hex("record")));
            Assert.That(Frame(new KadMessage(KadMessageType.PutValue) { Key = key, Record = record }), Is.EqualTo(golden.Hex("putValue")));
            Assert.That(KadId.Of(key).ToString(), Is.EqualTo(golden.Text("keyId")));
            Assert.That(KadId.Of(GoldenPeer).ToString(), Is.EqualTo(GoldenVectors.Libp2p.GetProperty("identity").Text("kadId")));
        }
    }

    [Test]
    public void Read_OfGoldenPutValue_TakesTheAbsentTypeForPutValue()
    {
        KadMessage message = KadMessageReader.Read(GoldenVectors.Libp2p.GetProperty("kad").Hex("putValue").AsMemory(1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(message.Type, Is.EqualTo(KadMessageType.PutValue));
            Assert.That(message.Record!.Value.ToArray(), Is.EqualTo("v"u8.ToArray()));
            Assert.That(message.Record.TimeReceived, Is.EqualTo("2026-01-01T00:00:00.000Z"));
        }
    }

    [Test]
    public void Peers_RoundTrip_SkippingWhatCannotBeUsed()
    {
        Multiaddr address = Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001");
        KadMessage message = new(KadMessageType.GetProviders)
        {
            Key = new byte[] { 1 },
            CloserPeers = [new KadPeer(GoldenPeer, [address])],
            ProviderPeers = [new KadPeer(GoldenPeer, [])],
        };

        // An unusable address (unknown code) and an unusable peer id among good ones.
        byte[] bytes =
        [
            .. KadMessageWriter.Write(message), 0x42, 5, 0x0a, 3, 1, 2, 3,
            0x42, 44, 0x0a, 38, .. GoldenPeer.Bytes, 0x12, 2, 0xff, 0x7f,
        ];
        KadMessage read = KadMessageReader.Read(bytes);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.CloserPeers, Has.Count.EqualTo(2));
            Assert.That(read.CloserPeers[0].Addresses, Is.EqualTo(new[] { address }));
            Assert.That(read.CloserPeers[1].Addresses, Is.Empty);
            Assert.That(read.ProviderPeers.Single().Peer, Is.EqualTo(GoldenPeer));
        }
    }

    [Test]
    public void Read_OfManyPeers_IsBounded()
    {
        KadMessage message = new(KadMessageType.FindNode) { CloserPeers = [.. Enumerable.Repeat(new KadPeer(GoldenPeer, []), 1000)] };
        Assert.That(KadMessageReader.Read(KadMessageWriter.Write(message)).CloserPeers, Has.Count.EqualTo(KadMessageReader.MaxPeers));
    }

    [TestCase("0806", nameof(KadErrorCode.UnknownType))]
    [TestCase("1205", nameof(KadErrorCode.Malformed))]
    [TestCase("1a020a05", nameof(KadErrorCode.Malformed))]
    [TestCase("0bff", nameof(KadErrorCode.Malformed))]
    public void Read_OfBadMessages_SaysWhy(string hex, string code) =>
        Assert.That(Assert.Throws<KadException>(() => KadMessageReader.Read(Convert.FromHexString(hex)))!.Code.ToString(), Is.EqualTo(code));

    private static byte[] Frame(KadMessage message)
    {
        byte[] body = KadMessageWriter.Write(message);
        byte[] prefix = new byte[Varint.GetLength((ulong)body.Length)];
        Varint.Write(prefix, (ulong)body.Length);
        return [.. prefix, .. body];
    }
}
