using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.EndToEnd;

/// <summary>One node of a demo: a process that the demo started.</summary>
/// <param name="DataDirectory">Its log is beside it, <c>.log</c>, and what it said when it was ready, <c>.out</c>.</param>
internal sealed record DemoNode(int ProcessId, string PeerId, string Address, string DataDirectory);

/// <summary>A network that <c>./scripts/demo --keep</c> asked one question of, settled, and left up.</summary>
internal sealed class KeptDemo : IAsyncDisposable
{
    private static readonly TimeSpan s_stopTime = TimeSpan.FromSeconds(60);

    private readonly OrdinaryUser _user;
    private readonly string _state;

    private KeptDemo(OrdinaryUser user, string state, JsonObject result, JsonObject kept)
    {
        _user = user;
        _state = state;
        Result = result;
        Directory = (string)kept["directory"]!;
        Devnet = DevnetProcess.Attach(new Uri(new Uri((string)kept["ton"]!), "/"));
        Providers = [Node("provider-1", kept), Node("provider-2", kept)];
        Bootstrap = Node("bootstrap", kept);
    }

    /// <summary>What the demo printed.</summary>
    public JsonObject Result { get; }

    /// <summary>Everything that the demo's processes write is below it.</summary>
    public string Directory { get; }

    public DevnetProcess Devnet { get; }

    public IReadOnlyList<DemoNode> Providers { get; }

    public DemoNode Bootstrap { get; }

    /// <param name="user">Whose processes they are.</param>
    /// <param name="program">Stands for the program of the build; <c>null</c>: that.</param>
    public static async Task<KeptDemo> StartAsync(
        OrdinaryUser user, IReadOnlyList<string>? program, string model, string prompt, CancellationToken cancellationToken)
    {
        string state = user.CreateDirectory("cocoon-demo-");
        IEnumerable<string> replaced = (program ?? []).SelectMany(part => (string[])["--program", part]);
        try
        {
            CommandResult demo = await RunAsync(
                user, state, [.. replaced, "--keep", "--verbose", "--shape", "batch", "--model", model, "--prompt", prompt, "-o", "json"], cancellationToken);
            return demo.ExitCode == 0
                ? new KeptDemo(
                    user, state, JsonNode.Parse(demo.Output)!.AsObject(),
                    JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(state, "demo.json"), cancellationToken))!.AsObject())
                : throw new InvalidOperationException($"the demo ended with {demo.ExitCode}: {demo.Error}");
        }
        catch
        {
            await StopAsync(user, state);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Devnet.DisposeAsync();
        await StopAsync(_user, _state);
    }

    private static async Task StopAsync(OrdinaryUser user, string state)
    {
        using CancellationTokenSource limit = new(s_stopTime);
        await RunAsync(user, state, ["--stop"], limit.Token);
        System.IO.Directory.Delete(state, recursive: true);
    }

    private static Task<CommandResult> RunAsync(OrdinaryUser user, string state, string[] arguments, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = CocoonProgram.Launch(
            ["--configuration", Path.GetFileName(Path.GetDirectoryName(Path.GetDirectoryName(CocoonProgram.Assembly)!)!), "--state", state, .. arguments],
            [.. user.Prefix, Path.Combine(TestPaths.RepositoryRoot, "scripts", "demo")]);

        // What the tests run is built and set up.
        start.Environment["COCOON_NO_BUILD"] = "1";
        return CocoonProgram.RunAsync(start, cancellationToken);
    }

    private DemoNode Node(string name, JsonObject kept)
    {
        JsonObject node = kept["processes"]![name]!.AsObject();
        return new DemoNode((int)node["pid"]!, (string)node["peer_id"]!, (string)node["addresses"]![0]!, Path.Combine(Directory, name));
    }
}
