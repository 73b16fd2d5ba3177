using System.Text;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

public sealed class SignedValueTests
{
    private static readonly SignedValueValidator s_validator = new();

    private Ed25519PrivateKey _owner = null!;
    private PeerId _peer = null!;
    private byte[] _key = null!;

    [SetUp]
    public void CreateOwner()
    {
        _owner = Ed25519PrivateKey.Generate();
        _peer = PeerId.FromPublicKey(_owner.PublicKey);
        _key = SignedValue.Key(_peer, "status");
    }

    [TearDown]
    public void DisposeOwner() => _owner.Dispose();

    [Test]
    public void Open_OfItsOwner_GivesWhatWasSealed()
    {
        byte[] value = SignedValue.Seal(_owner, _key, 7, "back at noon"u8);
        Assert.That(SignedValue.TryOpen(_key, value, out SignedValue? opened), Is.True);
        Assert.That((opened!.Sequence, Encoding.UTF8.GetString(opened.Data.Span)), Is.EqualTo((7UL, "back at noon")));
        Assert.That(SignedValue.TryReadKey(_key, out PeerId? owner, out string? name), Is.True);
        Assert.That((owner, name), Is.EqualTo((_peer, "status")));
    }

    [Test]
    public void Validate_StrangersValueOrAnotherKey_IsRefused()
    {
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(s_validator.Validate(_key, SignedValue.Seal(stranger, _key, 1, "x"u8)), Is.False, "signed by another");
            Assert.That(s_validator.Validate(SignedValue.Key(_peer, "other"), SignedValue.Seal(_owner, _key, 1, "x"u8)), Is.False, "moved to another key");
            Assert.That(s_validator.Validate(_key, SignedValue.Seal(_owner, _key, 1, "x"u8)), Is.True);
        }
    }

    [Test]
    public void IsBetter_IsTheHigherSequence()
    {
        byte[] older = SignedValue.Seal(_owner, _key, 1, "old"u8), newer = SignedValue.Seal(_owner, _key, 2, "new"u8);
        Assert.That((s_validator.IsBetter(_key, newer, older), s_validator.IsBetter(_key, older, newer), s_validator.IsBetter(_key, newer, newer)), Is.EqualTo((true, false, false)));
    }

    [TestCase("/cocoon//status")]
    [TestCase("/cocoon/12D3KooW/status")]
    [TestCase("/other/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/status")]
    [TestCase("/cocoon/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/a b")]
    [TestCase("/cocoon/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB/a/b")]
    [TestCase("/cocoon/bafzaajaiaejcaa5ba677htqqxyoxbxiy45f4bglh4tldbg5fbvpr3xegmqjfkmny/status", TestName = "one text form, so one key")]
    public void Key_ThatIsNone_IsRefused(string key) => Assert.That(SignedValue.TryReadKey(Encoding.UTF8.GetBytes(key), out _, out _), Is.False);

    [Test]
    public void Validate_HostileBytes_AreRefused()
    {
        byte[] value = SignedValue.Seal(_owner, _key, 7, "x"u8);
        Hostile.Bytes(300, input => Assert.That(s_validator.Validate(_key, input), Is.EqualTo(input.AsSpan().SequenceEqual(value))), Convert.ToHexString(value[..40]));
        Hostile.Bytes(200, input => s_validator.Validate(input, value), Convert.ToHexString(_key));
    }

    [Test]
    public void Seal_TooMuch_IsRefused() =>
        Assert.That(() => SignedValue.Seal(_owner, _key, 1, new byte[SignedValue.MaxData + 1]), Throws.ArgumentException);
}
