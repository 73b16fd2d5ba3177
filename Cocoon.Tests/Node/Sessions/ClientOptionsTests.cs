using Cocoon.Node.Sessions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Sessions;

public sealed class ClientOptionsTests
{
    private static readonly ClientOptions s_options = new();

    [Test]
    public void OfferWait_OfAFirstAttempt_IsLongOnlyWhileNothingIsKnown()
    {
        TimeSpan aWhile = TimeSpan.FromMinutes(1);
        Assert.That(s_options.OfferWait(knowsAny: false, aWhile, replacesOne: false), Is.EqualTo(s_options.DiscoveryWait));
        Assert.That(s_options.OfferWait(knowsAny: true, TimeSpan.FromSeconds(1), replacesOne: false), Is.EqualTo(s_options.UnknownModelWait - TimeSpan.FromSeconds(1)));
        Assert.That(s_options.OfferWait(knowsAny: true, aWhile, replacesOne: false), Is.EqualTo(TimeSpan.Zero));
    }

    /// <summary>The only provider takes its offers back when its enclave dies: waiting until it is there again would keep an answer open that cannot go on.</summary>
    [Test]
    public void OfferWait_AfterAProviderHasFailed_LeavesAnErrorWithinTwoSeconds([Values] bool knowsAny, [Values(0, 60)] int listeningSeconds)
    {
        TimeSpan wait = s_options.OfferWait(knowsAny, TimeSpan.FromSeconds(listeningSeconds), replacesOne: true);
        Assert.That(wait, Is.LessThanOrEqualTo(TimeSpan.FromSeconds(1)));
        Assert.That(wait, Is.LessThanOrEqualTo(s_options.OfferWait(knowsAny, TimeSpan.FromSeconds(listeningSeconds), replacesOne: false)));
    }
}
