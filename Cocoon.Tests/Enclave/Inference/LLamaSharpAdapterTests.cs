using System.Diagnostics;
using System.Reflection;
using System.Xml.Linq;
using Cocoon.Enclave.Inference;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>The engine over LLamaSharp, which no solution builds: built here where its packages are, and run in a process of its own.</summary>
/// <remarks>Never in this one: its llama.cpp is another release than ours, with the same names.</remarks>
public sealed class LLamaSharpAdapterTests
{
    private static readonly string s_folder = Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Enclave", "Inference", "LLamaSharp");
    private static readonly string s_project = Path.Combine(s_folder, "Cocoon.Enclave.LLamaSharp.csproj");
    private static readonly string s_configuration = typeof(LLamaSharpAdapterTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    [Test]
    public void Project_IsOutsideOfTheSolutionAndNamesExactVersions()
    {
        Assert.That(File.ReadAllText(Path.Combine(TestPaths.RepositoryRoot, "Cocoon.sln")), Does.Not.Contain("LLamaSharp"));
        Assert.That(typeof(IInferenceEngine).Assembly.GetReferencedAssemblies().Select(a => a.Name), Does.Not.Contain("LLamaSharp"));
        Assert.That(typeof(IInferenceEngine).Assembly.GetTypes().Select(t => t.Namespace), Does.Not.Contain("Cocoon.Enclave.Inference.LLamaSharp"));
        (string Name, string Version)[] packages =
            [.. XDocument.Load(s_project).Descendants("PackageReference").Select(p => ((string)p.Attribute("Include")!, (string)p.Attribute("Version")!))];
        Assert.That(packages.Select(p => p.Name), Is.EqualTo(new[] { "LLamaSharp", "LLamaSharp.Backend.$(LLamaSharpBackend)" }));
        Assert.That(packages.Select(p => p.Version), Has.All.Match(@"^\d+\.\d+\.\d+$"));
        Assert.That(packages.Select(p => p.Version).Distinct().Count(), Is.EqualTo(1), "library and backend are of one release");
    }

    [Test]
    public async Task Say_MoreQuestionsThanSlots_EachIsAnsweredInFull()
    {
        string assets = Path.Combine(s_folder, "obj", "project.assets.json");
        if (!File.Exists(assets) || !(await File.ReadAllTextAsync(assets)).Contains("LLamaSharp.Backend.Cpu/", StringComparison.Ordinal))
        {
            Assert.Ignore("LLamaSharp's packages are not restored (scripts/setup.d/75-llamasharp.sh)");
        }

        // What it refers to has just been built, and is in use: only the adapter itself is built.
        (int exit, string output) = await RunAsync("build", s_project, "-c", s_configuration, "--no-restore", "-p:BuildProjectReferences=false", "-v", "quiet", "-nologo");
        Assert.That(exit, Is.Zero, output);

        string program = Path.Combine(s_folder, "bin", s_configuration, "net10.0", "Cocoon.Enclave.LLamaSharp.dll");
        string[] questions = [.. Enumerable.Range(1, 6).Select(i => string.Concat(Enumerable.Repeat("Hello ", i)))];
        (exit, output) = await RunAsync(["exec", program, "say", TestModel.Ensure(), .. questions]);
        Assert.That(exit, Is.Zero, output);
        Assert.That(output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(Enumerable.Repeat(TestModel.Sentence, questions.Length)));
    }

    private static async Task<(int Exit, string Output)> RunAsync(params string[] arguments)
    {
        ProcessStartInfo start = new(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, process.ExitCode == 0 ? output : output + await errors);
    }
}
