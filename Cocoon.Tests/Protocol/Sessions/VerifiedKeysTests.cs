using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Sessions;

public sealed class VerifiedKeysTests
{
    [Test]
    public void TryVerify_SameRecordAgain_GivesTheSameAndNothingElsePasses()
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate(), other = Ed25519PrivateKey.Generate();
        SignedKeyRecord signed = SignedRecords.SignKey(identity, new KeyRecord { Epoch = 7 });
        VerifiedKeys keys = new(capacity: 2);
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, signed, out KeyRecord? first), Is.True);
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, signed.Clone(), out KeyRecord? again), Is.True);
        Assert.That(again, Is.SameAs(first));
        Assert.That(keys.TryVerify(other.PublicKey.Bytes, signed, out _), Is.False, "another identity");
        SignedKeyRecord changed = new() { Record = new KeyRecord { Epoch = 8 }.ToByteString(), Signature = signed.Signature };
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, changed, out _), Is.False, "another record under that signature");
        byte[] damaged = signed.Signature.ToByteArray();
        damaged[5] ^= 1;
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, new SignedKeyRecord { Record = signed.Record, Signature = ByteString.CopyFrom(damaged) }, out _), Is.False);
    }

    [Test]
    public void TryVerify_MoreThanItKeeps_ForgetsTheOldestAndVerifiesItAgain()
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        SignedKeyRecord[] signed = [.. Enumerable.Range(0, 3).Select(i => SignedRecords.SignKey(identity, new KeyRecord { Epoch = (ulong)i }))];
        VerifiedKeys keys = new(capacity: 2);
        KeyRecord[] first = [.. signed.Select(s => keys.TryVerify(identity.PublicKey.Bytes, s, out KeyRecord? record) ? record : throw new AssertionException("refused"))];
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, signed[2], out KeyRecord? kept) && ReferenceEquals(kept, first[2]));
        Assert.That(keys.TryVerify(identity.PublicKey.Bytes, signed[0], out KeyRecord? forgotten) && !ReferenceEquals(forgotten, first[0]));
        Assert.That(forgotten, Is.EqualTo(first[0]));
    }

    /// <summary>A stranger's record is kept for as long as many others come: what it may carry has a bound.</summary>
    [TestCase(1216, true)]
    [TestCase(2048, false)]
    [TestCase(1 << 20, false)]
    public void TryVerify_RecordOfTheLargestSuite_PassesAndMoreIsRefused(int publicKey, bool passes)
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        SignedKeyRecord signed = SignedRecords.SignKey(identity, new KeyRecord { KeyId = ByteString.CopyFrom(new byte[8]), PublicKey = ByteString.CopyFrom(new byte[publicKey]) });
        Assert.That(new VerifiedKeys().TryVerify(identity.PublicKey.Bytes, signed, out _), Is.EqualTo(passes));
    }

    [Test]
    public void TryVerify_FieldsOfALaterVersion_AreNotKept()
    {
        using Ed25519PrivateKey identity = Ed25519PrivateKey.Generate();
        KeyRecord known = new() { Epoch = 7 };

        // Field 15 holds 1,000 bytes.
        KeyRecord later = KeyRecord.Parser.ParseFrom((byte[])[.. known.ToByteArray(), 0x7a, 0xe8, 0x07, .. new byte[1000]]);
        Assert.That(later.CalculateSize(), Is.GreaterThan(1000));
        Assert.That(new VerifiedKeys().TryVerify(identity.PublicKey.Bytes, SignedRecords.SignKey(identity, later), out KeyRecord? kept), Is.True);
        Assert.That(kept, Is.EqualTo(known));
    }
}
