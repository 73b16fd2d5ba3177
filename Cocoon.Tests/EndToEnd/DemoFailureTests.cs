using System.Diagnostics;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary><c>./scripts/demo</c> when something of it cannot start.</summary>
[Platform("Linux")]
public sealed class DemoFailureTests
{
    [Test, CancelAfter(90_000)]
    public async Task Demo_OfAModelThatIsNone_SaysSoAndLeavesNeitherProcessesNorFiles(CancellationToken cancellationToken)
    {
        using TemporaryDirectory folder = new();
        ProcessStartInfo start = CocoonProgram.Launch(
            ["--configuration", Path.GetFileName(Path.GetDirectoryName(Path.GetDirectoryName(CocoonProgram.Assembly)!)!), "--state", folder.File("state"), "--model", "README.md"],
            [Path.Combine(TestPaths.RepositoryRoot, "scripts", "demo")]);
        start.WorkingDirectory = TestPaths.RepositoryRoot;
        start.Environment["COCOON_NO_BUILD"] = "1";
        start.Environment["TMPDIR"] = folder.Path;

        // The runtime leaves its debugger's pipes behind when a process is ended by a signal.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        CommandResult demo = await CocoonProgram.RunAsync(start, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(demo.ExitCode, Is.EqualTo(1));
            Assert.That(demo.Error, Does.Contain("is no GGUF file"));
            Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.Empty);
            Assert.That(Commands().Where(line => line.Contains(folder.Path, StringComparison.Ordinal)), Is.Empty);
        }
    }

    private static IEnumerable<string> Commands()
    {
        foreach (string process in Directory.GetDirectories("/proc").Where(p => Path.GetFileName(p).All(char.IsAsciiDigit)))
        {
            string line;
            try
            {
                line = File.ReadAllText(Path.Combine(process, "cmdline"));
            }
            catch (IOException)
            {
                // Ended meanwhile.
                continue;
            }

            yield return line;
        }
    }
}
