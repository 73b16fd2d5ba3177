using System.Collections.Immutable;
using System.Security.Cryptography;
using Cocoon.Protocol.Inference;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Inference;

public sealed class ModelManifestTests
{
    private static ImmutableArray<byte> Digest(byte fill) => [.. Enumerable.Repeat(fill, 32)];

    private static ModelManifest Sample(ulong size = 1000, ulong metadata = 100) =>
        new([new ModelFile(size, Digest(1)), new ModelFile(7, Digest(2))], metadata, Digest(3), Digest(4));

    [Test]
    public void CanonicalBytes_OfKnownManifest_AreTheDocumentedLayout()
    {
        byte[] expected =
        [
            .. "cocoon/model-manifest/1\0"u8, 2, 0, 0, 0,
            0xE8, 3, 0, 0, 0, 0, 0, 0, .. Digest(1),
            7, 0, 0, 0, 0, 0, 0, 0, .. Digest(2),
            100, 0, 0, 0, 0, 0, 0, 0, .. Digest(3), .. Digest(4),
        ];
        ModelManifest manifest = Sample();
        Assert.That(manifest.CanonicalBytes.ToArray(), Is.EqualTo(expected));
        Assert.That(manifest.Id.ToArray(), Is.EqualTo(SHA256.HashData(expected)));
        Assert.That(manifest.Id.ToString(), Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(expected))));
    }

    [Test]
    public void TryDecode_OfCanonicalBytes_GivesTheSameId()
    {
        Assert.That(ModelManifest.TryDecode(Sample().CanonicalBytes.Span, out ModelManifest? back));
        Assert.That(back, Is.EqualTo(Sample()));
        Assert.That(back!.Files, Has.Length.EqualTo(2));
        Assert.That(ModelId.TryParse(back.Id.ToString(), out ModelId parsed) && parsed == back.Id);
    }

    [Test]
    public void TryDecode_OfTruncatedExtendedOrRandomBytes_IsFalse()
    {
        byte[] good = Sample().CanonicalBytes.ToArray();
        for (int i = 0; i < good.Length; i++)
        {
            Assert.That(ModelManifest.TryDecode(good.AsSpan(0, i), out _), Is.False);
        }

        Assert.That(ModelManifest.TryDecode([.. good, 0], out _), Is.False);
        Random random = new(7);
        byte[] noise = new byte[300];
        for (int i = 0; i < 10_000; i++)
        {
            byte[] mutated = [.. good];
            mutated[random.Next(mutated.Length)] ^= (byte)(1 << random.Next(8));
            if (ModelManifest.TryDecode(mutated, out ModelManifest? other))
            {
                Assert.That(other!.CanonicalBytes.ToArray(), Is.EqualTo(mutated), "one manifest has one encoding");
            }

            random.NextBytes(noise);
            Assert.That(ModelManifest.TryDecode(noise, out _), Is.False);
        }
    }

    [Test]
    public void Constructor_WithMetadataBeyondFile_Throws() => Assert.Throws<ArgumentException>(() => Sample(size: 10, metadata: 11));

    [TestCase("")]
    [TestCase("00")]
    [TestCase("zz00000000000000000000000000000000000000000000000000000000000000")]
    public void ModelIdTryParse_OfBadText_IsFalse(string text) => Assert.That(ModelId.TryParse(text, out _), Is.False);
}
