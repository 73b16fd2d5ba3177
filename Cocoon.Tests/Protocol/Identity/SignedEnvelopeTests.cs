using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Identity;

public sealed class SignedEnvelopeTests
{
    private static readonly Ed25519PrivateKey Key = Ed25519PrivateKey.FromSeed([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

    private static readonly byte[] Record = PeerRecord.Seal(Key, 1, [Multiaddr.Parse("/ip4/192.0.2.1/tcp/4001")]);

    [OneTimeTearDown]
    public void DisposeKey() => Key.Dispose();

    [Test]
    public void PeerRecord_GoldenEnvelope_IsWrittenAndRead()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("peerRecord");
        byte[] envelope = PeerRecord.Seal(Key, 1, [Multiaddr.Parse(golden.Text("addr"))]);
        Assert.That(Convert.ToHexStringLower(envelope), Is.EqualTo(golden.Text("envelope")));
        Assert.That(PeerRecord.TryOpen(envelope, out PeerRecord? record), Is.True);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(record!.Peer, Is.EqualTo(PeerId.FromPublicKey(Key.PublicKey)));
            Assert.That(record.Sequence, Is.EqualTo(1));
            Assert.That(record.Addresses.Select(a => a.ToString()), Is.EqualTo(new[] { golden.Text("addr") }));
        }
    }

    [Test]
    public void SignedEnvelope_GoldenVoucher_Opens()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("reservationVoucher");
        Assert.That(
            SignedEnvelope.TryOpen(golden.Hex("envelope"), golden.Text("domain"), golden.Hex("payloadType"), out Ed25519PublicKey? signer, out byte[]? payload),
            Is.True);
        Assert.That(PeerId.FromPublicKey(signer!).ToString(), Is.EqualTo(GoldenVectors.Libp2p.GetProperty("relayIdentity").Text("peerId")));
        Assert.That(payload, Is.EqualTo(golden.Hex("payload")));
    }

    [Test]
    public void PeerRecord_SpecifiedSignature_IsInTheEnvelope() =>
        Assert.That(Convert.ToHexStringLower(Record), Does.EndWith(
            "eac1523bee33bd874678c83d1293d97b34e21b0a1146790c15e82773ff5e2a676573cf6fcd6ccdc39964dbf20feb8646eb7017c8c6bd054e314c589049414d00"));

    [Test]
    public void SignedEnvelope_OtherDomainTypeOrByte_DoesNotOpen()
    {
        byte[] envelope = SignedEnvelope.Seal(Key, "domain", [1, 2], Encoding.UTF8.GetBytes("payload"));
        byte[] disturbed = (byte[])envelope.Clone();
        disturbed[^1] ^= 1;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(SignedEnvelope.TryOpen(envelope, "domain", [1, 2], out _, out _), Is.True);
            Assert.That(SignedEnvelope.TryOpen(envelope, "other", [1, 2], out _, out _), Is.False);
            Assert.That(SignedEnvelope.TryOpen(envelope, "domain", [1, 3], out _, out _), Is.False);
            Assert.That(SignedEnvelope.TryOpen(disturbed, "domain", [1, 2], out _, out _), Is.False);
        }
    }

    [Test]
    public void PeerRecord_SignedByAnotherKey_DoesNotOpen()
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        // The record of one peer in the envelope of another.
        Assert.That(SignedEnvelope.TryOpen(Record, "libp2p-peer-record", [3, 1], out _, out byte[]? payload), Is.True);
        byte[] forged = SignedEnvelope.Seal(other, "libp2p-peer-record", [3, 1], payload);
        Assert.That(PeerRecord.TryOpen(forged, out _), Is.False);
    }
}
