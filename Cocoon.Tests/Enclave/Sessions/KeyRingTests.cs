using Cocoon.Enclave.Attestation;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Cryptography.Hpke;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Sessions;

public sealed class KeyRingTests
{
    [Test]
    public void Rotate_OldKey_OpensForTheOverlapAndIsErased()
    {
        ManualTimeProvider time = new();
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        using KeyRing ring = new(identity, [HpkeSuite.A], time);
        byte[] old = [.. ring.Bound.Single().KeyId];
        IKemPrivateKey oldKey = ring.Find(old)!.Key;
        Assert.That(ring.RotateAt, Is.EqualTo(time.GetUtcNow() + KeyRing.Lifetime));
        time.Advance(KeyRing.Lifetime);
        ring.Rotate();
        Assert.That(ring.Records, Has.Count.EqualTo(2));
        time.Advance(KeyRing.Overlap - TimeSpan.FromMilliseconds(1));
        Assert.That(ring.Find(old), Is.Not.Null);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.That(ring.Find(old), Is.Null);
        Assert.That(ring.Records, Has.Count.EqualTo(1));
        Assert.That(() => oldKey.TryDecapsulate(oldKey.PublicKey, new byte[32]), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Records_OfTheRing_AreSignedAndNewestFirst()
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        using KeyRing ring = new(identity, [HpkeSuite.A], new ManualTimeProvider());
        ring.Rotate();
        ulong[] epochs = [.. ring.Records.Select(r => SignedRecords.TryVerifyKey(identity.PublicKey.Bytes, r, out KeyRecord? k) ? k.Epoch : 0)];
        Assert.That(epochs, Is.EqualTo(new ulong[] { 2, 1 }));
        ring.Rotate();
        Assert.That(ring.Records, Has.Count.EqualTo(2));
    }

    [Test]
    public void Rotate_TwoSuites_EveryEpochHasBothAndEndsWhole()
    {
        ManualTimeProvider time = new();
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        using KeyRing ring = new(identity, [HpkeSuite.C!, HpkeSuite.A], time);
        byte[][] old = [.. ring.Bound.Select(k => k.KeyId.ToArray())];
        Assert.That(ring.Bound.Select(k => k.Kem), Is.EqualTo(new[] { XWingKem.KemId, X25519Kem.KemId }));
        ring.Rotate();
        ring.Rotate();
        Assert.That(old.Select(id => ring.Find(id)), Is.All.Null, "two epochs at most");
        (uint Kem, ulong Epoch)[] keys = [.. ring.Records.Select(r => SignedRecords.TryVerifyKey(identity.PublicKey.Bytes, r, out KeyRecord? k) ? (k.Kem, k.Epoch) : default)];
        Assert.That(keys, Is.EqualTo(new (uint, ulong)[] { (XWingKem.KemId, 3), (X25519Kem.KemId, 3), (XWingKem.KemId, 2), (X25519Kem.KemId, 2) }));
        time.Advance(KeyRing.Lifetime + KeyRing.Overlap);
        Assert.That(ring.Records, Has.Count.EqualTo(2));
    }
}
