using Cocoon.Node.Serving;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Serving;

public sealed class ModelServingOptionsTests
{
    [Test]
    public void ToString_WithAnUpstreamsKey_DoesNotTellIt() => Assert.That(
        new ModelServingOptions { Upstream = new Uri("http://me:word@127.0.0.1:8000/v1"), UpstreamKey = "sk-secret" }.ToString(), Is.EqualTo("127.0.0.1:8000"));
}
