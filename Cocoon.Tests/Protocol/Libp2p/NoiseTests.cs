using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class NoiseTests
{
    // "cacophony" vectors, Noise_XX_25519_ChaChaPoly_SHA256.
    private static readonly byte[] Prologue = Hex("4a6f686e2047616c74");

    private static readonly (string Payload, string Message)[] Messages =
    [
        ("4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573"),
        ("4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e038c48378ffce2b65285e08d6b68aaa3629a5a8639392490e5b9bd5269c2f1e4f488ed8831161f19b7815528f8982ffe09be9b5c412f8a0db50f8814c7194e83f23dbd8d162c9326ad"),
        ("462e20412e20486179656b",
            "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f169ae80a89be0865b57f58c9fea0d4ec82a286427402f113e4b6ae769a1d95941d49b25030"),
        ("4361726c204d656e676572", "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df"),
        ("4a65616e2d426170746973746520536179", "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5"),
    ];

    [Test]
    public void Handshake_CacophonyVectors_MatchByteForByte()
    {
        (NoiseHandshakeState initiator, NoiseHandshakeState responder) = CreatePair();
        byte[] buffer = new byte[512], payload = new byte[512];
        for (int i = 0; i < 3; i++)
        {
            (NoiseHandshakeState writer, NoiseHandshakeState reader) = i % 2 == 0 ? (initiator, responder) : (responder, initiator);
            int length = writer.WriteMessage(Hex(Messages[i].Payload), buffer);
            Assert.That(Convert.ToHexStringLower(buffer.AsSpan(0, length)), Is.EqualTo(Messages[i].Message), $"message {i + 1}");
            Assert.That(reader.TryReadMessage(buffer.AsSpan(0, length), payload, out int written), $"message {i + 1}");
            Assert.That(Convert.ToHexStringLower(payload.AsSpan(0, written)), Is.EqualTo(Messages[i].Payload));
        }

        Assert.That(Convert.ToHexStringLower(initiator.HandshakeHash), Is.EqualTo("c8e5f64e846193be2a834104c2a009868d6c9f3bd3c186299888b488b2f1f58e"));
        (NoiseCipher initiatorSend, NoiseCipher initiatorReceive) = initiator.Split();
        (NoiseCipher responderSend, NoiseCipher responderReceive) = responder.Split();
        // Transport messages go on in turn: the fourth is the responder's.
        Transport(responderSend, initiatorReceive, Messages[3]);
        Transport(initiatorSend, responderReceive, Messages[4]);
    }

    [Test]
    public void Handshake_AnyDisturbedMessage_IsRefused()
    {
        for (int disturbed = 1; disturbed < 3; disturbed++)
        {
            (NoiseHandshakeState initiator, NoiseHandshakeState responder) = CreatePair();
            byte[] buffer = new byte[512], payload = new byte[512];
            for (int i = 0; i <= disturbed; i++)
            {
                (NoiseHandshakeState writer, NoiseHandshakeState reader) = i % 2 == 0 ? (initiator, responder) : (responder, initiator);
                int length = writer.WriteMessage(Hex(Messages[i].Payload), buffer);
                if (i == disturbed)
                {
                    buffer[length - 1] ^= 1;
                }

                Assert.That(reader.TryReadMessage(buffer.AsSpan(0, length), payload, out _), Is.EqualTo(i != disturbed));
            }
        }
    }

    [Test]
    public void Handshake_LowOrderEphemeral_IsRefused()
    {
        (NoiseHandshakeState _, NoiseHandshakeState responder) = CreatePair();
        Assert.That(responder.TryReadMessage(new byte[32], new byte[32], out _), Is.True);
        Assert.That(() => responder.WriteMessage([], new byte[256]), Throws.InstanceOf<Libp2pException>());
    }

    [Test]
    public void Identity_GoldenPayload_IsWrittenAndRead()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("noise");
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(GoldenVectors.Libp2p.GetProperty("identity").Hex("seed"));
        using NoiseIdentity identity = new(key, [YamuxSession.Protocol], X25519PrivateKey.FromBytes(golden.Hex("staticPrivate")));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(identity.StaticKey.PublicKey.ToArray(), Is.EqualTo(golden.Hex("staticPublic")));
            Assert.That(Convert.ToHexStringLower(identity.Payload), Is.EqualTo(golden.Text("payload")));
            Assert.That(NoiseIdentity.TryReadPayload(identity.Payload, identity.StaticKey.PublicKey, out PeerId? peer, out IReadOnlyList<string> muxers), Is.True);
            Assert.That(peer, Is.EqualTo(identity.LocalPeer));
            Assert.That(muxers, Is.EqualTo(new[] { YamuxSession.Protocol }));
            Assert.That(NoiseIdentity.TryReadPayload(identity.Payload, new byte[32], out _, out _), Is.False, "another static key");
        }
    }

    [Test]
    public void Identity_SpecifiedKey_SignsTheInlineConstant()
    {
        byte[] seed = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(seed);
        using NoiseIdentity identity = new(key, [], X25519PrivateKey.FromBytes([.. Enumerable.Repeat((byte)1, 32)]));
        Assert.That(Convert.ToHexStringLower(identity.Payload), Does.Contain(
            "c8cdeeb644bfd4a2b8a9ffba95fee0a2a67d4fea0ba6c591bd3a663846f1f14663efff635cd5eb8896d9725d37ff89dea1dac6576a8e9fbdd28f78fa0e9b8a0c"));
    }

    [TestCase(new[] { "/a", "/b" }, new[] { "/b", "/a" }, "/a")]
    [TestCase(new[] { "/x", "/b" }, new[] { "/b", "/a" }, "/b")]
    [TestCase(new string[0], new[] { "/b" }, null)]
    [TestCase(new[] { "/b" }, new string[0], null)]
    public void ChooseMuxer_IsTheInitiatorsFirstCommonOne(string[] initiator, string[] responder, string? expected) =>
        Assert.That(NoiseIdentity.ChooseMuxer(initiator, responder), Is.EqualTo(expected));

    [Test]
    public void ChooseMuxer_NothingInCommon_Throws() =>
        Assert.That(() => NoiseIdentity.ChooseMuxer(["/a"], ["/b"]), Throws.InstanceOf<Libp2pException>());

    [Test]
    public void Records_RandomSizes_FillAndOpenAgain()
    {
        byte[] key = new byte[32];
        using NoiseCipher send = new(key), receive = new(key);
        RecordBuffer records = new();
        int capacity = records.Free;
        byte[] plain = new byte[capacity];
        new Random(7).NextBytes(plain);
        foreach (int size in (int[])[1, 12, RecordBuffer.MaxPlaintext, RecordBuffer.MaxPlaintext + 1, 70_000, capacity])
        {
            for (int at = 0; at < size; at += 5000)
            {
                records.Write(plain.AsSpan(at, Math.Min(5000, size - at)));
            }

            Assert.That(records.Free, Is.EqualTo(capacity - size));
            byte[] wire = records.Seal(send).ToArray();
            using MemoryStream opened = new();
            for (int at = 0; at < wire.Length;)
            {
                int length = (wire[at] << 8) | wire[at + 1];
                Span<byte> record = wire.AsSpan(at + 2, length);
                Assert.That(receive.TryDecrypt(record[..^16], record[^16..]), Is.True);
                opened.Write(record[..^16]);
                at += 2 + length;
            }

            Assert.That(opened.ToArray().AsSpan().SequenceEqual(plain.AsSpan(0, size)), Is.True, $"{size} bytes");
            records.Clear();
        }

        records.Release();
    }

    private static void Transport(NoiseCipher send, NoiseCipher receive, (string Payload, string Message) vector)
    {
        byte[] text = Hex(vector.Payload), tag = new byte[NoiseCipher.TagSize];
        send.Encrypt(text, tag);
        Assert.That(Convert.ToHexStringLower([.. text, .. tag]), Is.EqualTo(vector.Message));
        Assert.That(receive.TryDecrypt(text, tag), Is.True);
        Assert.That(Convert.ToHexStringLower(text), Is.EqualTo(vector.Payload));
    }

    private static (NoiseHandshakeState Initiator, NoiseHandshakeState Responder) CreatePair() => (
        new NoiseHandshakeState(
            isInitiator: true,
            X25519PrivateKey.FromBytes(Hex("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1")),
            X25519PrivateKey.FromBytes(Hex("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a")),
            Prologue),
        new NoiseHandshakeState(
            isInitiator: false,
            X25519PrivateKey.FromBytes(Hex("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893")),
            X25519PrivateKey.FromBytes(Hex("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b")),
            Prologue));

    private static byte[] Hex(string text) => Convert.FromHexString(text);
}
