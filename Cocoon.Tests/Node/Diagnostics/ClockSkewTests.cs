using Cocoon.Node.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Diagnostics;

public sealed class ClockSkewTests
{
    [Test]
    public void Judge_NothingToCompareWith_CouldNotBeMeasured() =>
        Assert.That(ClockSkew.Judge(null, [], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Unmeasured));

    [Test]
    public void Judge_OneOffer_MeasuresWhereItAgrees_AndElseNobodyKnowsWhoseClockIsWrong()
    {
        Assert.That(ClockSkew.Judge(null, [-1], isDevnet: false).Verdict, Is.EqualTo(NetVerdict.Ok));
        NetCheck ahead = ClockSkew.Judge(null, [9], isDevnet: false);
        Assert.That((ahead.Verdict, ahead.Why), Is.EqualTo((NetVerdict.Unmeasured, "one provider's clock is 9 s ahead of ours; whose is wrong, a second offer would tell")));
        Assert.That(ClockSkew.Judge(61, [9], isDevnet: false).What, Does.Contain("61 s slow"), "a block is no single provider");
    }

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
    public void Judge_TheDevnetsClock_CountsOnlyWhereItAgrees()
    {
        Assert.That(ClockSkew.Judge(61, [], isDevnet: true).Verdict, Is.EqualTo(NetVerdict.Unmeasured));
        Assert.That(ClockSkew.Judge(-61, [], isDevnet: true).Verdict, Is.EqualTo(NetVerdict.Unmeasured));
        NetCheck agrees = ClockSkew.Judge(0.4, [-1], isDevnet: true);
        Assert.That((agrees.Verdict, agrees.What), Is.EqualTo((NetVerdict.Ok, "not behind, by blocks and the offer of one provider")));
        Assert.That(ClockSkew.Judge(61, [-1, -2], isDevnet: true).Verdict, Is.EqualTo(NetVerdict.Ok));
    }
}
