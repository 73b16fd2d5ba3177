using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

/// <summary>A node that relays, one that is reached through it, and <c>cocoon relay</c> on both.</summary>
[CancelAfter(120_000)]
public sealed class RelayCommandTests
{
    private string _directory = null!;

    [SetUp]
    public void CreateDirectory()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(CocoonProgram.Assembly))
        {
            Assert.Ignore($"needs Linux and {CocoonProgram.Assembly}: build Cocoon.Node");
        }

        _directory = Directory.CreateTempSubdirectory("cocoon-").FullName;
    }

    [TearDown]
    public void DeleteDirectory()
    {
        if (_directory is not null)
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    [Test]
    public async Task Relay_HoldsAndGrants_AndTheThirdNodeComesThroughIt(CancellationToken cancellationToken)
    {
        await using CocoonNode relay = await StartAsync("relay", ["--relay", "--listen", "/ip4/127.0.0.1/tcp/0"], cancellationToken);
        // It listens through the relay alone, as a node whose router lets nothing in.
        await using CocoonNode hidden = await StartAsync("hidden", ["--listen", $"{relay.Address}/p2p-circuit"], cancellationToken);
        await Eventually.GetAsync(
            "the reservation", async () => Rows(await relay.GetAsync("/control/relay", cancellationToken), "granted").Length == 1 ? "" : null, TimeSpan.FromMinutes(1), cancellationToken);
        string address = $"{relay.Address}/p2p-circuit/p2p/{hidden.PeerId}";
        await using CocoonNode dialler = await StartAsync("dialler", ["--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", address], cancellationToken);
        JsonObject peers = await Eventually.GetAsync(
            "the path through the relay",
            async () =>
            {
                JsonObject document = await hidden.GetAsync("/control/peers", cancellationToken);
                return document["peers"]!.AsArray().Any(p => (string)p!["peer"]! == dialler.PeerId) ? document : null;
            },
            TimeSpan.FromMinutes(1),
            cancellationToken);
        JsonObject held = await JsonAsync(hidden, cancellationToken), granted = await JsonAsync(relay, cancellationToken);
        CommandResult table = await CocoonProgram.RunAsync(cancellationToken, "relay", "--data", relay.DataDirectory);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Rows(held, "held").Select(r => (string?)r["peer"]), Is.EqualTo(new[] { relay.PeerId }));
            Assert.That((string?)Rows(held, "held")[0]["address"], Is.EqualTo($"{relay.Address}/p2p-circuit"));
            Assert.That(held["service"], Is.Null);
            Assert.That(Rows(granted, "granted").Select(r => (string?)r["peer"]), Is.EqualTo(new[] { hidden.PeerId }));
            Assert.That((long)granted["service"]!["inference_circuit_bytes"]!, Is.EqualTo(64L * 1024 * 1024));
            Assert.That((long)granted["service"]!["opened"]!, Is.GreaterThanOrEqualTo(1));
            Assert.That(table.Output, Does.Contain("granted"));
            Assert.That(table.ExitCode, Is.Zero);
            Assert.That(peers["peers"]!.AsArray().Select(p => (string)p!["peer"]!), Does.Contain(relay.PeerId));
        }
    }

    private static JsonObject[] Rows(JsonObject document, string kind) =>
        [.. document["rows"]!.AsArray().OfType<JsonObject>().Where(row => (string?)row["kind"] == kind)];

    private static async Task<JsonObject> JsonAsync(CocoonNode node, CancellationToken cancellationToken)
    {
        CommandResult result = await CocoonProgram.RunAsync(cancellationToken, "relay", "-o", "json", "--data", node.DataDirectory);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        return JsonNode.Parse(result.Output)!.AsObject();
    }

    private Task<CocoonNode> StartAsync(string name, string[] arguments, CancellationToken cancellationToken) => CocoonNode.StartAsync(
        name, ["up", "--no-model", "--lan", .. arguments], Path.Combine(_directory, name), cancellationToken);
}
