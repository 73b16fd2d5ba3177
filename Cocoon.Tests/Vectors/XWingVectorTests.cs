using System.Security.Cryptography;
using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Vectors;

/// <summary>draft-connolly-cfrg-xwing-kem, over an ML-KEM that is not ours.</summary>
public sealed class XWingVectorTests
{
    // The draft's first vector; long values by their SHA-256.
    private const string Seed = "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26";
    private const string EncapsulationSeed =
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2";

    private const string PublicKeyDigest = "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb";
    private const string CiphertextDigest = "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33";
    private const string SharedSecret = "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384";

    [Test]
    public void Draft_FirstVector_Agrees()
    {
        (byte[] publicKey, byte[] ciphertext, byte[] sent, byte[] received) = Run(Seed, EncapsulationSeed);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Convert.ToHexStringLower(SHA256.HashData(publicKey)), Is.EqualTo(PublicKeyDigest));
            Assert.That(Convert.ToHexStringLower(SHA256.HashData(ciphertext)), Is.EqualTo(CiphertextDigest));
            Assert.That(Convert.ToHexStringLower(sent), Is.EqualTo(SharedSecret));
            Assert.That(received, Is.EqualTo(sent));
        }
    }

    [Test]
    public void SharedVectors_AllAgree()
    {
        if (TestPaths.Vectors is not { } folder)
        {
            Assert.Ignore("shared vectors are absent");
            return;
        }

        using JsonDocument file = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "attestation", "hpke", "xwing.json")));
        foreach (JsonElement vector in file.RootElement.GetProperty("vectors").EnumerateArray())
        {
            (byte[] publicKey, byte[] ciphertext, byte[] sent, byte[] received) =
                Run(vector.GetProperty("sk").GetString()!, vector.GetProperty("eseed").GetString()!);
            Assert.That(Convert.ToHexStringLower(publicKey), Is.EqualTo(vector.GetProperty("pk").GetString()));
            Assert.That(Convert.ToHexStringLower(ciphertext), Is.EqualTo(vector.GetProperty("ct").GetString()));
            Assert.That(Convert.ToHexStringLower(sent), Is.EqualTo(vector.GetProperty("ss").GetString()));
            Assert.That(received, Is.EqualTo(sent));
        }
    }

    [Test]
    public void SuiteC_SealedRequest_OpensOnlyWithBothSecrets()
    {
        HpkeSuite suite = HpkeSuite.C!;
        using IKemPrivateKey key = suite.Kem.Generate();
        using HpkeContext sender = suite.TrySetupSender(key.PublicKey, "info"u8, out KemEncapsulation? encapsulation)!;
        byte[] ciphertext = sender.Seal([], "secret"u8);
        Assert.That(suite.TrySetupRecipient(key, encapsulation!.Encapsulation, "info"u8)!.TryOpen([], ciphertext), Is.EqualTo("secret"u8.ToArray()));
        foreach (int at in new[] { 0, 1087, 1088, 1119 })
        {
            byte[] changed = [.. encapsulation.Encapsulation];
            changed[at] ^= 1;
            Assert.That(suite.TrySetupRecipient(key, changed, "info"u8)?.TryOpen([], ciphertext), Is.Null, "byte " + at);
        }

        encapsulation.Dispose();
        encapsulation.Ephemeral.Dispose();
    }

    [Test]
    public void PublicKey_OutOfRange_IsRefused()
    {
        byte[] key = HpkeSuite.C!.Kem.Generate().PublicKey.ToArray();
        key.AsSpan(0, 3).Fill(0xFF);
        Assert.That(HpkeSuite.C.Kem.TryEncapsulate(key), Is.Null, "FIPS 203 §7.2: a coefficient of 4095");
        Assert.That(HpkeSuite.C.Kem.TryEncapsulate(key.AsSpan(1)), Is.Null);
    }

    [Test]
    public void Platform_WithMlKem_AgreesWithTheOtherImplementation()
    {
        if (MlKem768.Platform is not { } platform)
        {
            Assert.Ignore("this platform has no ML-KEM (OpenSSL 3.5 or later)");
            return;
        }

        byte[] seed = RandomNumberGenerator.GetBytes(MlKem768.SeedSize), ciphertext = new byte[MlKem768.CiphertextSize], sent = new byte[32], received = new byte[32];
        using IMlKem768Key own = platform.Import(seed), other = new BouncyCastleMlKem768().Import(seed);
        Assert.That(own.EncapsulationKey.ToArray(), Is.EqualTo(other.EncapsulationKey.ToArray()));
        Assert.That(platform.TryEncapsulate(own.EncapsulationKey, ciphertext, sent));
        other.Decapsulate(ciphertext, received);
        Assert.That(received, Is.EqualTo(sent));
    }

    private static (byte[] PublicKey, byte[] Ciphertext, byte[] Sent, byte[] Received) Run(string seed, string encapsulationSeed)
    {
        byte[] randomness = Convert.FromHexString(encapsulationSeed), received = new byte[32];
        XWingKem kem = new(new BouncyCastleMlKem768 { NextRandomness = randomness[..32] });
        using IKemPrivateKey key = kem.Import(Convert.FromHexString(seed));
        using KemEncapsulation encapsulation = kem.TryEncapsulate(key.PublicKey, X25519PrivateKey.FromBytes(randomness.AsSpan(32)))!;
        Assert.That(key.TryDecapsulate(encapsulation.Encapsulation, received));
        byte[] sent = encapsulation.SharedSecret.Span.ToArray();
        encapsulation.Ephemeral.Dispose();
        return (key.PublicKey.ToArray(), encapsulation.Encapsulation, sent, received);
    }
}
