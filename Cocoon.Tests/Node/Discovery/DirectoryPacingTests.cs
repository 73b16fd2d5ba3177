using Cocoon.Node.Discovery;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Discovery;

public sealed class DirectoryPacingTests
{
    private readonly ManualTimeProvider _time = new();

    [Test]
    public void IsDue_FirstAndChanged_AreSaidAtOnce()
    {
        DirectoryPacing pacing = new(_time, 0.5);
        Assert.That(pacing.IsDue(isNew: false, _ => 99), Is.True);
        Assert.That(pacing.IsDue(isNew: false, _ => 0), Is.False);
        Assert.That(pacing.IsDue(isNew: true, _ => 99), Is.True);
    }

    [TestCase(0.0)]
    [TestCase(0.4)]
    [TestCase(0.9)]
    public void Resume_IsSilentUntilItsTurn_AndThenDependsOnOthers(double phase)
    {
        DirectoryPacing alone = new(_time, phase), crowded = new(_time, phase);
        alone.Resume();
        crowded.Resume();
        Assert.That(alone.IsDue(isNew: false, _ => 0), Is.False);
        (int spoken, int spokenInACrowd) = (0, 0);
        for (int second = 0; second < 60; second += 5)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            spoken += alone.IsDue(isNew: false, _ => 0) ? 1 : 0;
            spokenInACrowd += crowded.IsDue(isNew: false, _ => DirectoryPacing.Redundancy) ? 1 : 0;
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(spoken, Is.EqualTo(1));
            Assert.That(spokenInACrowd, Is.Zero);
            Assert.That(crowded.IsDue(isNew: true, _ => DirectoryPacing.Redundancy), Is.True, "what changed is said at once");
        }
    }

    [Test]
    public void IsDue_Alone_RepeatsBeforeTheDirectoryExpires()
    {
        int spoken = CountIn(TimeSpan.FromMinutes(30), heard: 0, out TimeSpan longestGap);
        Assert.That(spoken, Is.InRange(14, 20));
        Assert.That(longestGap, Is.LessThanOrEqualTo(TimeSpan.FromMinutes(4)), "a directory lives for five minutes");
    }

    [TestCase(DirectoryPacing.Redundancy, 1)]
    [TestCase(1000, 1)]
    public void IsDue_WhileOthersAnnounceTheSame_StaysSilent(int heard, int expected) =>
        Assert.That(CountIn(TimeSpan.FromMinutes(30), heard, out _), Is.EqualTo(expected));

    private int CountIn(TimeSpan duration, int heard, out TimeSpan longestGap)
    {
        DirectoryPacing pacing = new(_time, 0.3);
        DateTimeOffset last = _time.GetUtcNow(), end = last + duration;
        int spoken = 0;
        longestGap = TimeSpan.Zero;
        for (; _time.GetUtcNow() < end; _time.Advance(TimeSpan.FromSeconds(15)))
        {
            if (pacing.IsDue(isNew: false, _ => heard))
            {
                spoken++;
                longestGap = _time.GetUtcNow() - last > longestGap ? _time.GetUtcNow() - last : longestGap;
                last = _time.GetUtcNow();
            }
        }

        return spoken;
    }
}
