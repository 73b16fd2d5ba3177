using Cocoon.Node.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Diagnostics;

public sealed class ClockSkewTests
{
    [Test]
    public void Judge_NothingToCompareWith_CouldNotBeMeasured() =>
        Assert.That(ClockSkew.Judge(null, [-1], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Unmeasured));

    [Test]
    public void Judge_BlocksAndOffersOfThePast_AreInOrder() =>
        Assert.That(ClockSkew.Judge(-3, [-1, -14], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Ok));

    [Test]
    public void Judge_ABlockOfTheFuture_MeansThatOurClockIsSlow() =>
        Assert.That(ClockSkew.Judge(61, [], isDevnet: false).What, Does.Contain("61 s slow"));

    [Test]
    public void Judge_OneOfferOfTheFuture_IsThatProvidersClock_TwoAreOurs()
    {
        Assert.That(ClockSkew.Judge(null, [9, -1], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Ok));
        Assert.That(ClockSkew.Judge(null, [9, 8, -1], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Warn));
    }

    [Test]
    public void Judge_TheDevnetsClock_SaysNothing()
    {
        Assert.That(ClockSkew.Judge(61, [], isDevnet: true).Verdict, Is.EqualTo(NetVerdict.Unmeasured));
        Assert.That(ClockSkew.Judge(61, [-1, -2], isDevnet: true).Verdict, Is.EqualTo(NetVerdict.Ok));
    }
}
