using Cocoon.Node.Discovery;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

public sealed class SignerConductTests
{
    private readonly ManualTimeProvider _time = new();

    private static PeerId NewPeer()
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        return PeerId.FromPublicKey(key.PublicKey);
    }

    [Test]
    public void TryTake_AboveTheRate_IsRefusedForThatSignerOnly()
    {
        SignerConduct conduct = new(_time);
        PeerId spammer = NewPeer(), honest = NewPeer();
        int taken = Enumerable.Range(0, 1000).Count(_ => conduct.TryTake(spammer));
        Assert.That(taken, Is.InRange(10, 30));
        Assert.That(conduct.TryTake(honest), Is.True);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.That(conduct.TryTake(spammer), Is.True, "the rate refills");
    }

    [Test]
    public void TryTake_OnceASecondForever_IsAllowed()
    {
        SignerConduct conduct = new(_time);
        PeerId busy = NewPeer();
        for (int i = 0; i < 300; i++)
        {
            Assert.That(conduct.TryTake(busy), Is.True);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Test]
    public void ScoreOf_AfterManyIgnored_FallsAndRecovers()
    {
        SignerConduct conduct = new(_time);
        PeerId spammer = NewPeer();
        for (int i = 0; i < 200; i++)
        {
            conduct.Ignored(spammer);
        }

        Assert.That(conduct.ScoreOf(spammer), Is.LessThan(-8), "ten times that is below the graylist threshold");
        Assert.That(conduct.ScoreOf(NewPeer()), Is.Zero);
        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.That(conduct.ScoreOf(spammer), Is.Zero);
    }

    [Test]
    public void ScoreOf_ProviderWithASlowClock_StaysZero()
    {
        SignerConduct conduct = new(_time);
        PeerId slow = NewPeer();
        for (int i = 0; i < 200; i++)
        {
            conduct.Ignored(slow);
            _time.Advance(TimeSpan.FromSeconds(15));
        }

        Assert.That(conduct.ScoreOf(slow), Is.Zero);
    }

    [Test]
    public void Ignored_ByManySigners_ForgetsThoseWhoDidLeast()
    {
        SignerConduct conduct = new(_time);
        PeerId worst = NewPeer();
        for (int i = 0; i < 100; i++)
        {
            conduct.Ignored(worst);
        }

        for (int i = 0; i < 6000; i++)
        {
            byte[] id = [0x12, 0x20, .. new byte[28], .. BitConverter.GetBytes(i)];
            Assert.That(PeerId.TryFromBytes(id, out PeerId? peer), Is.True);
            conduct.Ignored(peer!);
        }

        Assert.That(conduct.ScoreOf(worst), Is.LessThan(0));
    }
}
