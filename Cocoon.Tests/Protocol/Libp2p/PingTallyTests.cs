using Cocoon.Protocol.Libp2p.Muxers;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

public sealed class PingTallyTests
{
    [Test]
    public void Loss_BeforeTheFirstVerdict_IsUnknown() => Assert.That(default(PingTally).Loss, Is.Null);

    [Test]
    public void Loss_IsTheShareOfTheLastThirtyTwo()
    {
        PingTally tally = default;
        tally.Add(isLost: true);
        tally.Add(isLost: false);
        Assert.That(tally.Loss, Is.EqualTo(0.5));
        for (int i = 0; i < 30; i++)
        {
            tally.Add(isLost: false);
        }

        Assert.That(tally.Loss, Is.EqualTo(1 / 32.0));
        tally.Add(isLost: false);
        Assert.That(tally.Loss, Is.Zero, "what is longer ago does not count");
    }
}
