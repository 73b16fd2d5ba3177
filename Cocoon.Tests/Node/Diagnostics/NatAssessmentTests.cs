using System.Net;
using Cocoon.Node.Diagnostics;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Diagnostics;

public sealed class NatAssessmentTests
{
    private static readonly IPAddress[] s_own = [IPAddress.Parse("192.168.1.7"), IPAddress.Loopback];

    [Test]
    public void Judge_NoObservation_IsUnknown() => Assert.That(NatAssessment.Judge([], s_own), Is.EqualTo(NatKind.Unknown));

    [Test]
    public void Judge_ObserversOnTheLan_SayNothingOfTheWayOut() =>
        Assert.That(NatAssessment.Judge([See("192.168.1.9", 4484, "192.168.1.7:4484")], s_own), Is.EqualTo(NatKind.LocalOnly));

    [Test]
    public void Judge_SeenAtOurOwnAddress_IsNone() =>
        Assert.That(NatAssessment.Judge([See("9.9.9.9", 4484, "8.8.4.4:4484")], [IPAddress.Parse("8.8.4.4")]), Is.EqualTo(NatKind.None));

    [Test]
    public void Judge_OnePortForTwoObservers_IsEndpointIndependent() => Assert.That(
        NatAssessment.Judge([See("9.9.9.9", 4484, "8.8.4.4:60001"), See("1.1.1.1", 4484, "8.8.4.4:60001")], s_own), Is.EqualTo(NatKind.EndpointIndependent));

    [Test]
    public void Judge_AnotherPortForEachObserver_IsEndpointDependent() => Assert.That(
        NatAssessment.Judge([See("9.9.9.9", 4484, "8.8.4.4:60001"), See("1.1.1.1", 4484, "8.8.4.4:60002")], s_own), Is.EqualTo(NatKind.EndpointDependent));

    [Test]
    public void Judge_OtherLocalPorts_CannotBeCompared() => Assert.That(
        NatAssessment.Judge([See("9.9.9.9", 50001, "8.8.4.4:60001"), See("1.1.1.1", 50002, "8.8.4.4:60002")], s_own), Is.EqualTo(NatKind.Translated));

    [Test]
    public void Judge_OneObserverTwice_IsNoAgreement() => Assert.That(
        NatAssessment.Judge([See("9.9.9.9", 4484, "8.8.4.4:60001"), See("9.9.9.9", 4484, "8.8.4.4:60001")], s_own), Is.EqualTo(NatKind.Translated));

    private static NatObservation See(string observer, int localPort, string observed) =>
        new(IPAddress.Parse(observer), new IPEndPoint(IPAddress.Parse("192.168.1.7"), localPort), IPEndPoint.Parse(observed));
}
