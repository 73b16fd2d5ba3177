using System.Reflection;
using NUnit.Framework;

namespace Cocoon.Tests.Architecture;

/// <summary>Node → Protocol ← Enclave, and Node → Enclave from the one file that holds the enclave verb.</summary>
public sealed class ProjectReferenceTests
{
    private static string[] CocoonReferences(string assembly) =>
        [.. Assembly.Load(assembly).GetReferencedAssemblies().Select(n => n.Name!).Where(n => n.StartsWith("Cocoon", StringComparison.OrdinalIgnoreCase))];

    [Test]
    public void Protocol_References_NoOtherProject() => Assert.That(CocoonReferences("Cocoon.Protocol"), Is.Empty);

    [Test]
    public void Enclave_References_OnlyProtocol() =>
        Assert.That(CocoonReferences("Cocoon.Enclave"), Is.SubsetOf(new[] { "Cocoon.Protocol" }));

    [Test]
    public void Node_UsesEnclave_OnlyInTheEnclaveVerb()
    {
        string root = TestPaths.RepositoryRoot;
        IEnumerable<string> users = Directory.EnumerateFiles(Path.Combine(root, "Cocoon.Node"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(f => File.ReadAllText(f).Contains("Cocoon.Enclave", StringComparison.Ordinal))
            .Select(f => Path.GetRelativePath(root, f).Replace('\\', '/'));
        Assert.That(users, Is.SubsetOf(new[] { "Cocoon.Node/Cli/EnclaveCommand.cs" }));
    }
}
