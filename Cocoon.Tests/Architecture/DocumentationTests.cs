using System.Text.RegularExpressions;
using NUnit.Framework;

namespace Cocoon.Tests.Architecture;

/// <summary>What the documents say of where things are is so: a stranger looks there first.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string[] s_projects = ["Cocoon.Protocol", "Cocoon.Enclave", "Cocoon.Node"];

    private static IEnumerable<string> Documents =>
        new[] { "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md" }.Select(name => Path.Combine(TestPaths.RepositoryRoot, name))
            .Concat(s_projects.SelectMany(project => Directory.EnumerateFiles(Path.Combine(TestPaths.RepositoryRoot, project), "README.md", SearchOption.AllDirectories)));

    [Test]
    public void Paths_NamedInTheDocuments_Exist() => Assert.That(
        from document in Documents
        from Match named in NamedPath().Matches(File.ReadAllText(document))
        where !Path.Exists(Path.Combine(TestPaths.RepositoryRoot, named.Groups["path"].Value))
        select $"{Path.GetRelativePath(TestPaths.RepositoryRoot, document)}: {named.Groups["path"].Value}",
        Is.Empty);

    [TestCaseSource(nameof(s_projects))]
    public void Folders_OfAProject_AreInTheMap(string project)
    {
        string row = File.ReadLines(Path.Combine(TestPaths.RepositoryRoot, "ARCHITECTURE.md")).Single(line => line.StartsWith($"| `{project}` |", StringComparison.Ordinal));
        IEnumerable<string> folders = Directory.EnumerateDirectories(Path.Combine(TestPaths.RepositoryRoot, project)).Select(folder => Path.GetFileName(folder)!);
        Assert.That(folders.Where(folder => folder is not ("bin" or "obj") && !row.Contains($"`{folder}`", StringComparison.Ordinal)), Is.Empty);
    }

    /// <summary>In a code span or a link; a name that goes on with a placeholder is none.</summary>
    [GeneratedRegex(@"[`(](?:\./)?(?<path>(?:Cocoon\.(?:Protocol|Enclave|Node|Tests)|scripts)(?:/[\w.-]+)+)[`) ]", RegexOptions.ExplicitCapture)]
    private static partial Regex NamedPath();
}
