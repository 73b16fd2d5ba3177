using Cocoon.Node.Cli;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

public sealed class EnclaveWordsTests
{
    private static readonly string[] s_flags = ["--confined", "--hash"];
    private static readonly string[] s_names = ["--read", "--natives", "--parent", "--sequences"];

    private static EnclaveWords Read(params string[] words) => new(words, s_flags, s_names);

    [Test]
    public void Words_FlagsAndNamesInAnyOrder_AreFound()
    {
        EnclaveWords words = Read("--read", "--hash", "--parent", "7", "--sequences", "1", "--confined", "--read", "b", "--natives", "old", "--natives", "new", "--sequences", "8");
        Assert.That((words.Has("--confined"), words.Has("--hash")), Is.EqualTo((true, false)), "a value may look like a flag");
        Assert.That(words.Values("--read"), Is.EqualTo(new[] { "--hash", "b" }));
        Assert.That(words.Value("--natives"), Is.EqualTo("new"), "the last holds: a process that starts again adds its own");
        Assert.That(words.Number("--parent"), Is.EqualTo(7));
        Assert.That(words.Numbers("--sequences"), Is.EqualTo(new[] { 1, 8 }));
    }

    [Test]
    public void Words_ThatWereNotSaid_AreNothing()
    {
        EnclaveWords words = Read();
        Assert.That((words.Value("--natives"), words.Number("--parent"), words.Values("--read").Count), Is.EqualTo(((string?)null, 0, 0)));
    }

    [TestCase("--help")]
    [TestCase("--confined", "and more")]
    [TestCase("--read")]
    public void Words_UnknownOrWithoutTheirValue_AreRefused(params string[] words) =>
        Assert.That(() => Read(words), Throws.InstanceOf<FormatException>().With.Message.Contains(words[^1]));

    [TestCase("seven")]
    [TestCase("-1")]
    [TestCase("99999999999")]
    [TestCase("")]
    public void Number_ThatIsNone_IsRefused(string value) =>
        Assert.That(() => Read("--parent", value).Number("--parent"), Throws.InstanceOf<FormatException>().With.Message.Contains("--parent"));
}
