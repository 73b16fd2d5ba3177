using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using NUnit.Framework;

namespace Cocoon.Tests.Vectors;

/// <summary>RFC 9180 appendix A: base mode, the suites in use.</summary>
public sealed class HpkeVectorTests
{
    // RFC 9180 A.2.1, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode.
    private const string Info = "4f6465206f6e2061204772656369616e2055726e";
    private const string RecipientKey = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
    private const string EphemeralKey = "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600";
    private const string Encapsulation = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
    private const string Plaintext = "4265617574792069732074727574682c20747275746820626561757479";
    private const string Ciphertext = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28";

    [Test]
    public void SuiteA_Rfc9180Constants_SealAndOpen()
    {
        using X25519PrivateKey recipient = X25519PrivateKey.FromBytes(Convert.FromHexString(RecipientKey));
        using KemEncapsulation encapsulation = X25519Kem.Instance.TryEncapsulate(
            recipient.PublicKey, X25519PrivateKey.FromBytes(Convert.FromHexString(EphemeralKey)))!;
        Assert.That(Convert.ToHexStringLower(encapsulation.Encapsulation), Is.EqualTo(Encapsulation));

        using HpkeContext sender = HpkeSuite.A.Schedule(encapsulation.SharedSecret.Span, Convert.FromHexString(Info));
        byte[] sealed_ = sender.Seal("Count-0"u8, Convert.FromHexString(Plaintext));
        Assert.That(Convert.ToHexStringLower(sealed_), Is.EqualTo(Ciphertext));

        using IKemPrivateKey key = X25519Kem.Import(X25519PrivateKey.FromBytes(Convert.FromHexString(RecipientKey)));
        using HpkeContext opener = HpkeSuite.A.TrySetupRecipient(key, encapsulation.Encapsulation, Convert.FromHexString(Info))!;
        Assert.That(opener.TryOpen("Count-0"u8, sealed_), Is.EqualTo(Convert.FromHexString(Plaintext)));
    }

    [Test]
    public void SharedVectors_SuitesInUse_AllAgree()
    {
        string? folder = TestPaths.Vectors;
        if (folder is null)
        {
            Assert.Ignore("shared vectors are absent");
        }

        using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder!, "attestation", "hpke", "rfc9180-x25519-sha256.json")));
        int checkedVectors = 0;
        foreach (JsonElement vector in file.RootElement.GetProperty("vectors").EnumerateArray())
        {
            byte[] Hex(string name) => Convert.FromHexString(vector.GetProperty(name).GetString()!);
            if (vector.GetProperty("mode").GetInt32() != 0
                || HpkeSuite.Accepted.FirstOrDefault(s => s.Is(
                    vector.GetProperty("kem_id").GetUInt32(),
                    vector.GetProperty("kdf_id").GetUInt32(),
                    vector.GetProperty("aead_id").GetUInt32())) is not { } suite)
            {
                continue;
            }

            using KemEncapsulation encapsulation =
                X25519Kem.Instance.TryEncapsulate(Hex("pkRm"), X25519PrivateKey.FromBytes(Hex("skEm")))!;
            Assert.That(encapsulation.Encapsulation, Is.EqualTo(Hex("enc")));
            Assert.That(encapsulation.SharedSecret.Span.ToArray(), Is.EqualTo(Hex("shared_secret")));
            using HpkeContext sender = suite.Schedule(encapsulation.SharedSecret.Span, Hex("info"));
            using IKemPrivateKey key = X25519Kem.Import(X25519PrivateKey.FromBytes(Hex("skRm")));
            using HpkeContext recipient = suite.TrySetupRecipient(key, Hex("enc"), Hex("info"))!;
            foreach (JsonElement message in vector.GetProperty("encryptions").EnumerateArray())
            {
                byte[] Part(string name) => Convert.FromHexString(message.GetProperty(name).GetString()!);
                sender.Sequence = recipient.Sequence = message.GetProperty("seq").GetUInt64();
                Assert.That(sender.Seal(Part("aad"), Part("pt")), Is.EqualTo(Part("ct")));
                Assert.That(recipient.TryOpen(Part("aad"), Part("ct")), Is.EqualTo(Part("pt")));
            }

            foreach (JsonElement export in vector.GetProperty("exports").EnumerateArray())
            {
                byte[] value = new byte[export.GetProperty("L").GetInt32()];
                recipient.Export(Convert.FromHexString(export.GetProperty("exporter_context").GetString()!), value);
                Assert.That(value, Is.EqualTo(Convert.FromHexString(export.GetProperty("exported_value").GetString()!)));
            }

            checkedVectors++;
        }

        Assert.That(checkedVectors, Is.GreaterThanOrEqualTo(1));
    }

    [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
    [TestCase("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    public void LowOrderPoint_AsKeyOrEncapsulation_IsRefused(string point)
    {
        Assert.That(HpkeSuite.A.TrySetupSender(Convert.FromHexString(point), [], out _), Is.Null);
        using IKemPrivateKey key = X25519Kem.Instance.Generate();
        Assert.That(HpkeSuite.A.TrySetupRecipient(key, Convert.FromHexString(point), []), Is.Null);
    }

    [Test]
    public void Counter_AtItsEnd_Throws()
    {
        using HpkeContext context = HpkeSuite.A.Schedule(new byte[32], []);
        context.Sequence = ulong.MaxValue;
        Assert.That(() => context.Seal([], []), Throws.InvalidOperationException);
    }
}
