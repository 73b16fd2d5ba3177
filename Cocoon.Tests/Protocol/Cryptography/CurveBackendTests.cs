using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Interop;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Cryptography;

/// <summary>RFC 8032 §7.1 and RFC 7748 §5.2 vectors over both native libraries, and the keys on which they must agree with the chain.</summary>
[TestFixture("libsodium")]
[TestFixture("libcrypto")]
public sealed class CurveBackendTests(string library)
{
    private CurveBackend _backend = null!;

    [OneTimeSetUp]
    public void CreateBackend()
    {
        bool available = library == "libsodium" ? Sodium.IsAvailable : LibCrypto.IsAvailable;
        if (!available)
        {
            Assert.Ignore($"{library} is not there");
        }

        _backend = library == "libsodium" ? new NSecBackend() : new LibCryptoBackend();
    }

    [TestCase("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [TestCase("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    public void Sign_Rfc8032Vector_Matches(string seed, string publicKey, string message, string signature)
    {
        byte[] key = new byte[32], actual = new byte[64], kept = new byte[32];
        using SigningKey signing = _backend.ImportSigningKey(Convert.FromHexString(seed));
        signing.CopyPublicKey(key);
        signing.Sign(Convert.FromHexString(message), actual);
        signing.CopySeed(kept);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Convert.ToHexStringLower(key), Is.EqualTo(publicKey));
            Assert.That(Convert.ToHexStringLower(actual), Is.EqualTo(signature));
            Assert.That(Convert.ToHexStringLower(kept), Is.EqualTo(seed));
            Assert.That(_backend.Verify(key, Convert.FromHexString(message), actual), Is.True);
            actual[40] ^= 1;
            Assert.That(_backend.Verify(key, Convert.FromHexString(message), actual), Is.False);
            Assert.That(_backend.IsPrimeOrderPoint(key), Is.True);
        }
    }

    [Test]
    public void TryAgree_Rfc7748Vector_Matches()
    {
        // RFC 7748 §5.2, first vector.
        byte[] shared = new byte[32];
        bool agreed = _backend.TryAgree(
            Convert.FromHexString("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            Convert.FromHexString("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            shared);
        Assert.That(agreed, Is.True);
        Assert.That(Convert.ToHexStringLower(shared), Is.EqualTo("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
    }

    [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
    [TestCase("0100000000000000000000000000000000000000000000000000000000000000")]
    [TestCase("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    public void TryAgree_LowOrderPoint_IsRefused(string point)
    {
        byte[] secret = new byte[32];
        secret[0] = 8;
        secret[31] = 0x40;
        Assert.That(_backend.TryAgree(secret, Convert.FromHexString(point), new byte[32]), Is.False);
    }

    [TestCase("0100000000000000000000000000000000000000000000000000000000000000", TestName = "identity")]
    [TestCase("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", TestName = "order 2")]
    [TestCase("0000000000000000000000000000000000000000000000000000000000000000", TestName = "order 4")]
    [TestCase("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", TestName = "order 8")]
    [TestCase("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", TestName = "non-canonical")]
    public void Verify_SmallOrderKeyWithZeroS_IsRefused(string key)
    {
        // With S = 0 and R = identity anybody could sign for such a key where it is accepted.
        byte[] publicKey = Convert.FromHexString(key), signature = new byte[64];
        signature[0] = 1;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(_backend.Verify(publicKey, "voucher"u8, signature), Is.False);
            Assert.That(_backend.IsPrimeOrderPoint(publicKey), Is.False);
        }
    }
}
