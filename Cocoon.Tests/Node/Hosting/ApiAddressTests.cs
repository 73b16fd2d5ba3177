using Cocoon.Node.Cli;
using Cocoon.Node.Hosting;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Hosting;

public sealed class ApiAddressTests
{
    [TestCase("127.0.0.1:9000", "127.0.0.1:9000"), TestCase("127.0.0.1:0", "127.0.0.1:0"), TestCase("localhost:9000", "127.0.0.1:9000"), TestCase("[::1]:9000", "[::1]:9000")]
    [TestCase("127.0.0.1", "127.0.0.1:8484"), TestCase("localhost", "127.0.0.1:8484"), TestCase("::1", "[::1]:8484"), TestCase("[::1]", "[::1]:8484")]
    public void Parse_WithoutAPort_TakesTheUsualOne(string text, string address) => Assert.That(ApiAddress.Parse(text).ToString(), Is.EqualTo(address));

    [TestCase("here"), TestCase("8484"), TestCase(":8484"), TestCase("127.0.0.1:99999"), TestCase("0.0.0.0"), TestCase("0.0.0.0:8484"), TestCase("192.0.2.1:80")]
    public void Parse_OfWhatIsNoLoopbackAddress_IsAMistake(string text) =>
        Assert.That(Assert.Throws<CliException>(() => ApiAddress.Parse(text))!.ExitCode, Is.EqualTo(ExitCode.Usage));
}
