using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Identity;

public sealed class PeerIdTests
{
    private const string Text = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB";
    private const string Cid = "bafzaajaiaejcaa5ba677htqqxyoxbxiy45f4bglh4tldbg5fbvpr3xegmqjfkmny";

    [Test]
    public void FromPublicKey_GoldenSeed_GivesAllForms()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("identity");
        using Ed25519PrivateKey key = Ed25519PrivateKey.FromSeed(golden.Hex("seed"));
        PeerId peer = PeerId.FromPublicKey(key.PublicKey);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PublicKeyProtobuf.Encode(key.PublicKey), Is.EqualTo(golden.Hex("publicKeyProtobuf")));
            Assert.That(PublicKeyProtobuf.EncodePrivate(key), Is.EqualTo(golden.Hex("privateKeyProtobuf")));
            Assert.That(peer.ToArray(), Is.EqualTo(golden.Hex("peerIdBytes")));
            Assert.That(peer.ToString(), Is.EqualTo(golden.Text("peerId")));
            Assert.That(peer.ToCidString(), Is.EqualTo(golden.Text("peerIdCid")));
            Assert.That(SHA256.HashData(peer.Bytes), Is.EqualTo(golden.Hex("kadId")));
        }
    }

    [TestCase(Text)]
    [TestCase(Cid)]
    public void Parse_EitherTextForm_IsTheSamePeer(string text)
    {
        PeerId peer = PeerId.Parse(text);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(peer.ToString(), Is.EqualTo(Text));
            Assert.That(peer.TryGetPublicKey(out Ed25519PublicKey? key), Is.True);
            Assert.That(key!.ToString(), Is.EqualTo("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"));
        }
    }

    // Examples of the peer-ids specification.
    [TestCase("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe")]
    [TestCase("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA", "bafzaajaiaejcal72gwuz2or47oyxxn6b3rkwdmmkrxgkjxzy3rqt5kczyn7lcm3l")]
    public void Parse_SpecificationExamples_RoundTrip(string base58, string cid)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PeerId.Parse(cid).ToString(), Is.EqualTo(base58));
            Assert.That(PeerId.Parse(base58).ToCidString(), Is.EqualTo(cid));
        }
    }

    [TestCase("")]
    [TestCase("12D3KooW")]
    [TestCase(Text + "1")]
    [TestCase("0OIl")]
    [TestCase("bafzaajaiaejcaa5ba677htqqxyoxbxiy45f4bglh4tldbg5fbvpr3xegmqjfkmn1")]
    [TestCase("BAFZAAJAIAEJCAA5BA677HTQQXYOXBXIY45F4BGLH4TLDBG5FBVPR3XEGMQJFKMNY")]
    public void TryParse_Malformed_IsFalse(string text) => Assert.That(PeerId.TryParse(text, out _), Is.False);

    [Test]
    public void PrivateKey_SpecificationVector_IsReadAndWritten()
    {
        const string Private =
            "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
        Assert.That(PublicKeyProtobuf.TryDecodePrivate(Convert.FromHexString(Private), out Ed25519PrivateKey? key), Is.True);
        using (key)
        {
            Assert.That(
                Convert.ToHexStringLower(PublicKeyProtobuf.Encode(key!.PublicKey)),
                Is.EqualTo("080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"));
            Assert.That(Convert.ToHexStringLower(PublicKeyProtobuf.EncodePrivate(key)), Is.EqualTo(Private));
        }
    }

    [TestCase("")]
    [TestCase("08011240")]
    [TestCase("080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d1fd1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e")]
    public void TryDecodePrivate_WrongLengthOrPublicPart_IsFalse(string hex) =>
        Assert.That(PublicKeyProtobuf.TryDecodePrivate(Convert.FromHexString(hex), out _), Is.False);

    [Test]
    public void Equality_IsByBytes()
    {
        PeerId a = PeerId.Parse(Text), b = PeerId.Parse(Cid), c = PeerId.Parse("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(a == b, Is.True);
            Assert.That(a.GetHashCode(), Is.EqualTo(b.GetHashCode()));
            Assert.That(a != c, Is.True);
        }
    }
}
