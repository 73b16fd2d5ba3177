using System.Reflection;
using System.Text.RegularExpressions;
using Cocoon.Node.Cli;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Attestation.Nvidia;
using Cocoon.Protocol.Attestation.SevSnp;
using Cocoon.Protocol.Attestation.Tdx;
using Cocoon.Protocol.Sessions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Attestation;

/// <summary><c>cocoon attest reasons</c> is complete: no refusal carries a word that it does not explain, and none that no test has seen.</summary>
public sealed class ReasonWordTests
{
    private static readonly Type[] s_words = [typeof(ReasonWords), typeof(TdxReasons), typeof(SnpReasons), typeof(GpuReasons), typeof(SessionReasons)];
    private static readonly string[] s_product = ["Cocoon.Protocol", "Cocoon.Enclave", "Cocoon.Node"];

    [Test]
    public void Words_OfEveryList_AreExplainedOnce()
    {
        string[] listed = [.. AttestCommand.AllReasons.Select(r => r.Word)];
        Assert.That(listed, Is.Unique);
        Assert.That(Constants().Select(c => c.Word), Is.SubsetOf(listed));
        Assert.That(AttestCommand.AllReasons.Select(r => r.Meaning), Is.All.Not.Empty);
    }

    [Test]
    public void Words_InTheProgramsSources_AreListed()
    {
        HashSet<string> listed = [.. AttestCommand.AllReasons.Select(r => r.Word)];
        string areas = string.Join('|', listed.Where(w => w.Contains('.', StringComparison.Ordinal)).Select(w => w.Split('.')[0]).Distinct());
        Regex literal = new($"\"(?<word>({areas})\\.[a-z0-9_.]+)\"", RegexOptions.ExplicitCapture);
        string[] files = ["policy.json", "quote.bin"];
        string[] used = [.. Sources(s_product).SelectMany(text => literal.Matches(text)).Select(m => m.Groups["word"].Value).Except(files)];
        Assert.That(used, Has.Length.GreaterThan(100));
        Assert.That(used.Except(listed), Is.Empty);
    }

    /// <summary>The session's words go over the pipe and to clients as they are.</summary>
    [Test]
    public void Words_OfEverySessionError_AreListed() => Assert.That(
        Enum.GetValues<SessionErrorCode>().Select(code => new SessionException(code, "").Word), Is.Unique.And.SubsetOf(SessionReasons.All.Select(r => r.Word)));

    /// <remarks>What a comment names is not asked for.</remarks>
    [Test]
    public void Words_EachOfThem_IsAskedForByATest()
    {
        string tests = string.Join('\n', Sources(["Cocoon.Tests"]).SelectMany(text => text.Split('\n')).Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal)));
        IEnumerable<string> unseen = Constants()
            .Where(c => !tests.Contains($"{c.Owner}.{c.Name}", StringComparison.Ordinal) && !tests.Contains($"\"{c.Word}\"", StringComparison.Ordinal))
            .Select(c => c.Word);
        Assert.That(unseen, Is.Empty);
    }

    private static IEnumerable<(string Owner, string Name, string Word)> Constants() => s_words.SelectMany(
        type => type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(f => f.IsLiteral).Select(f => (type.Name, f.Name, (string)f.GetRawConstantValue()!)));

    private static IEnumerable<string> Sources(string[] projects) => projects
        .SelectMany(project => Directory.EnumerateFiles(Path.Combine(TestPaths.RepositoryRoot, project), "*.cs", SearchOption.AllDirectories))
        .Where(file => Path.GetFileName(file) != "PolicyDocuments.cs") // names fields of a policy, which look like words
        .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
        .Select(File.ReadAllText);
}
