using System.Buffers;
using System.Text.Json;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

public sealed class GossipWireTests
{
    private static Ed25519PrivateKey GoldenKey => Ed25519PrivateKey.FromSeed(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());

    private static GossipMessage Sample(string topic = "cocoon/test/1", string data = "hello", ulong sequence = 1) =>
        MessageSigning.Create(GoldenKey, topic, System.Text.Encoding.UTF8.GetBytes(data), sequence);

    [Test]
    public void Create_FromGoldenKey_GivesGoldenBytes()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("gossipsub");
        GossipMessage message = Sample();
        ArrayBufferWriter<byte> rpc = new();
        GossipRpcWriter.WriteMessage(rpc, message.Raw.Span);
        byte[] framed = [.. Prefix(rpc.WrittenCount), .. rpc.WrittenSpan];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MessageSigning.SignedBytes(message), Is.EqualTo(golden.Hex("signedBytes")));
            Assert.That(message.Signature.ToArray(), Is.EqualTo(golden.Hex("signature")));
            Assert.That(message.Id.Bytes.ToArray(), Is.EqualTo(golden.Hex("messageIdSpec")));
            Assert.That(framed, Is.EqualTo(golden.Hex("rpc")));
            Assert.That(MessageSigning.Verify(message));
        }
    }

    [Test]
    public void Subscription_Encoded_IsGolden()
    {
        ArrayBufferWriter<byte> rpc = new();
        GossipRpcWriter.WriteSubscription(rpc, "cocoon/test/1", true);
        Assert.That(
            (byte[])[.. Prefix(rpc.WrittenCount), .. rpc.WrittenSpan],
            Is.EqualTo(GoldenVectors.Libp2p.GetProperty("gossipsub").Hex("subscribeRpc")));
        Assert.That(GossipRpcReader.Read(rpc.WrittenMemory).Subscriptions.Single(), Is.EqualTo(new GossipSubscription("cocoon/test/1", true)));
    }

    [Test]
    public void Verify_WithKeyField_HoldsForTheSignersKeyOnly()
    {
        GossipMessage plain = Sample();
        byte[] own = [.. plain.Raw.Span, 0x32, 36, .. plain.From.Span[2..]];
        byte[] foreign = [.. own];
        foreign[^1] ^= 1;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MessageSigning.Verify(GossipRpcReader.ReadMessage(own)), "js-libp2p always sends the key");
            Assert.That(MessageSigning.Verify(GossipRpcReader.ReadMessage(foreign)), Is.False);
        }
    }

    [Test]
    public void Verify_OfForeignFieldOrderAndUnknownField_UsesReceivedBytes()
    {
        using Ed25519PrivateKey key = GoldenKey;
        GossipMessage sample = Sample();
        ArrayBufferWriter<byte> body = new();
        ProtobufWriter.WriteBytesField(body, 4, "t"u8);
        ProtobufWriter.WriteVarintField(body, 9, 7);
        ProtobufWriter.WriteBytesField(body, 3, sample.SequenceNumber.Span);
        ProtobufWriter.WriteBytesField(body, 1, sample.From.Span);
        byte[] signature = key.Sign([.. "libp2p-pubsub:"u8, .. body.WrittenSpan]);
        ProtobufWriter.WriteBytesField(body, 5, signature);
        Assert.That(MessageSigning.Verify(GossipRpcReader.ReadMessage(body.WrittenSpan.ToArray())));
    }

    [Test]
    public void Verify_AfterAnyFlippedBit_IsFalse()
    {
        byte[] raw = Sample().Raw.ToArray();
        for (int bit = 0; bit < raw.Length * 8; bit++)
        {
            byte[] changed = [.. raw];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                Assert.That(MessageSigning.Verify(GossipRpcReader.ReadMessage(changed)), Is.False, $"bit {bit}");
            }
            catch (GossipsubException)
            {
                // No message any more, which is as good.
            }
        }
    }

    [Test]
    public void ReadMessage_WithAFieldTwice_IsRefused()
    {
        byte[] raw = [.. Sample().Raw.Span, 0x12, 1, 65];
        Assert.That(() => GossipRpcReader.ReadMessage(raw), Throws.TypeOf<GossipsubException>());
    }

    [Test]
    public void Control_RoundTrip_KeepsEverything()
    {
        MessageId[] ids = [.. Enumerable.Range(0, 40).Select(i => new MessageId([1, 2, (byte)i]))];
        ArrayBufferWriter<byte> control = new(), rpc = new();
        GossipRpcWriter.WriteIHave(control, "topic", ids);
        GossipRpcWriter.WriteIWant(control, ids);
        GossipRpcWriter.WriteGraft(control, "g");
        GossipRpcWriter.WritePrune(control, "p", TimeSpan.FromSeconds(200));
        GossipRpcWriter.WriteIDontWant(control, ids.AsSpan(0, 3));
        GossipRpcWriter.WriteControl(rpc, control.WrittenSpan);
        GossipRpc read = GossipRpcReader.Read(rpc.WrittenMemory);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.IHave.Single().Topic, Is.EqualTo("topic"));
            Assert.That(read.IHave.Single().Ids, Is.EqualTo(ids));
            Assert.That(read.IWant, Is.EqualTo(ids));
            Assert.That(read.Graft, Is.EqualTo(new[] { "g" }));
            Assert.That(read.Prune.Single(), Is.EqualTo(new GossipPrune("p", TimeSpan.FromSeconds(200))));
            Assert.That(read.IDontWant, Is.EqualTo(ids[..3]));
        }
    }

    [Test]
    public void Read_OfTooManyEntries_ThrowsAndOfTooManyIdsTruncates()
    {
        byte[] subscriptions = [.. Enumerable.Repeat<byte[]>([0x0a, 5, 0x08, 1, 0x12, 1, 65], GossipRpcReader.MaxEntries + 1).SelectMany(x => x)];
        GossipsubException? tooMany = Assert.Throws<GossipsubException>(() => GossipRpcReader.Read(subscriptions));
        MessageId[] ids = [.. Enumerable.Range(0, GossipRpcReader.MaxEntries + 100).Select(i => new MessageId(BitConverter.GetBytes(i)))];
        ArrayBufferWriter<byte> control = new(), rpc = new();
        GossipRpcWriter.WriteIWant(control, ids);
        GossipRpcWriter.WriteControl(rpc, control.WrittenSpan);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tooMany!.Code, Is.EqualTo(GossipsubErrorCode.TooManyEntries));
            Assert.That(GossipRpcReader.Read(rpc.WrittenMemory).IWant, Has.Count.EqualTo(GossipRpcReader.MaxEntries));
        }
    }

    [Test]
    public void Read_OfLongOrEmptyTopics_IsRefused()
    {
        foreach (string topic in new[] { "", new string('x', 257) })
        {
            ArrayBufferWriter<byte> rpc = new();
            GossipRpcWriter.WriteSubscription(rpc, topic, true);
            Assert.That(
                Assert.Throws<GossipsubException>(() => GossipRpcReader.Read(rpc.WrittenMemory))!.Code,
                Is.EqualTo(GossipsubErrorCode.BadTopic));
        }
    }

    private static byte[] Prefix(int length)
    {
        byte[] prefix = new byte[Varint.GetLength((ulong)length)];
        Varint.Write(prefix, (ulong)length);
        return prefix;
    }
}
