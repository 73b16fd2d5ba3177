using System.Diagnostics;
using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Cli;

/// <summary>The inspection commands against running nodes, as a person or a script uses them: three nodes without a model, in processes of their own.</summary>
[CancelAfter(120_000)]
public sealed class InspectionCommandTests
{
    /// <summary>Commands that make what is named, or wait for it.</summary>
    private static readonly string[] s_namesAnything = ["dht put", "keys new", "gossip tail"];

    private string _directory = null!;
    private CocoonNode _hub = null!;
    private CocoonNode _left = null!;
    private CocoonNode _right = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(CocoonProgram.Assembly))
        {
            Assert.Ignore($"needs Linux and {CocoonProgram.Assembly}: build Cocoon.Node");
        }

        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        _directory = Directory.CreateTempSubdirectory("cocoon-").FullName;
        _hub = await StartAsync("hub", [], limit.Token);
        _left = await StartAsync("left", ["--bootstrap", _hub.Address], limit.Token);
        _right = await StartAsync("right", ["--bootstrap", _hub.Address], limit.Token);
        await Eventually.GetAsync(
            "the nodes know each other",
            async () => (await _hub.GetAsync("/control/dht/table", limit.Token))["peers"]!.AsArray().Count == 2
                && (await _left.GetAsync("/control/peers", limit.Token))["peers"]!.AsArray().Count == 2 ? "" : null,
            TimeSpan.FromMinutes(1),
            limit.Token);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        foreach (CocoonNode? node in (CocoonNode?[])[_left, _right, _hub])
        {
            if (node is not null)
            {
                await node.DisposeAsync();
            }
        }

        if (_directory is not null)
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    /// <summary>Guests of the test before are gone.</summary>
    [SetUp]
    public Task WaitForTheThreeAsync() => Eventually.GetAsync(
        "the hub is connected to the other two alone",
        async () => (await _hub.GetAsync("/control/peers", CancellationToken.None))["peers"]!.AsArray()
            .Select(p => (string)p!["peer"]!).ToHashSet().SetEquals([_left.PeerId, _right.PeerId]) ? "" : null,
        TimeSpan.FromMinutes(1),
        CancellationToken.None);

    [Test]
    public async Task Peers_InEveryFormat_NameTheSamePeers(CancellationToken cancellationToken)
    {
        CommandResult[] results = await RunAllAsync(
            _hub,
            cancellationToken,
            ["peers", "-o", "json"],
            ["peers", "-o", "jsonl"],
            ["peers", "-o", "csv", "--columns", "peer,path,direction,loss"],
            ["peers", "-q", "--sort", "peer"],
            ["peers", "--no-trunc", "--filter", $"peer={_left.PeerId}"]);
        Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, string.Join('\n', results.Select(r => r.Error)));
        string[] expected = [.. new[] { _left.PeerId, _right.PeerId }.Order(StringComparer.Ordinal)];
        JsonObject document = JsonNode.Parse(results[0].Output)!.AsObject();
        JsonObject[] rows = [.. document["peers"]!.AsArray().OfType<JsonObject>()];
        string[] csv = results[2].Output.TrimEnd().Split('\n');
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)document["schema"]!, Is.EqualTo(1));
            Assert.That(rows.Select(r => (string)r["peer"]!), Is.EquivalentTo(expected));
            Assert.That(rows.Select(r => (string)r["path"]!), Is.All.EqualTo("direct tcp"));
            Assert.That(rows.Select(r => (double?)r["rtt_ms"]), Is.All.GreaterThan(0.0));
            Assert.That(rows.Select(r => (double?)r["loss"]), Is.All.EqualTo(0.0));
            Assert.That(rows.Select(r => (long)r["bytes_in"]!), Is.All.GreaterThan(0));
            Assert.That(rows.Select(r => (string?)r["agent"]), Is.All.StartWith("cocoon/"));
            Assert.That(rows.Select(r => r["tier"]), Is.All.Null, "no offer, no tier");
            Assert.That(results[1].Output.TrimEnd().Split('\n').Select(l => (string)JsonNode.Parse(l)!["peer"]!), Is.EquivalentTo(expected));
            Assert.That(csv[0], Is.EqualTo("peer,path,direction,loss"));
            Assert.That(csv[1..].Order(StringComparer.Ordinal), Is.EqualTo(expected.Select(p => $"{p},direct tcp,in,0")));
            Assert.That(results[3].Output, Is.EqualTo(string.Join('\n', expected) + "\n"));
            Assert.That(results[4].Output.TrimEnd().Split('\n'), Has.Length.EqualTo(2).And.Some.Contain(_left.PeerId));
            Assert.That(results[4].Error, Does.Contain("TON per 1,000,000 tokens"), "what is for people goes to stderr");
        }
    }

    [Test]
    public async Task PeerShowAndName_ByPartOfTheId_ThenByName(CancellationToken cancellationToken)
    {
        string tail = _right.PeerId[^8..];
        CommandResult show = await RunAsync(_hub, cancellationToken, "peer", "show", tail, "-o", "json");
        CommandResult named = await RunAsync(_hub, cancellationToken, "peer", "name", tail, "rack-7");
        CommandResult[] after = await RunAllAsync(
            _hub,
            cancellationToken,
            ["peer", "show", "rack-7"],
            ["peers", "--filter", "name=rack-7", "-q"],
            ["peer", "name", _left.PeerId, "rack-7"],
            ["peer", "name", _left.PeerId, "two words"],
            ["peer", "show", "nobody-at-all"],
            ["peer", "show", "12D3KooW"],
            ["peer", "show", _right.PeerId[20..32], "-o", "json"]);
        Assert.That((show.ExitCode, named.ExitCode), Is.EqualTo((0, 0)), show.Error + named.Error);
        JsonObject peer = JsonNode.Parse(show.Output)!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)peer["peer"]!, Is.EqualTo(_right.PeerId));
            Assert.That((string)peer["identity"]!["key_type"]!, Is.EqualTo("Ed25519"));
            Assert.That(peer["paths"]!.AsArray().Select(p => ((string)p!["state"]!, (bool)p["verified"]!)), Does.Contain(("connected", true)).And.Contain(("announced", false)));
            Assert.That(peer["protocols"]!.AsArray().Select(p => (string)p!), Does.Contain("/ipfs/ping/1.0.0").And.Contain("/meshsub/1.2.0"));
            Assert.That(peer["attestation"], Is.Null);
            Assert.That(after[0].Output, Does.Contain("rack-7").And.Contain("PATHS").And.Contain("verified"));
            Assert.That(after[1].Output.Trim(), Is.EqualTo(_right.PeerId));
            Assert.That((after[2].ExitCode, after[3].ExitCode), Is.EqualTo((2, 2)), "one name, one peer; and names are words");
            Assert.That((after[4].ExitCode, after[4].Output), Is.EqualTo((4, "")));
            Assert.That(after[5].ExitCode, Is.EqualTo(2));
            Assert.That((string)JsonNode.Parse(after[6].Output)!["peer"]!, Is.EqualTo(_right.PeerId), "a part of the middle");
            Assert.That(after[5].Error, Does.Match("could be [0-9]+ peers").And.Contain(_left.PeerId).And.Contain($"{_right.PeerId} (rack-7)"), "the candidates are listed");
        }
    }

    /// <summary>Every command would take it for the peer that has the name.</summary>
    [Test]
    public async Task PeerName_ThatIsAPartOfAnothersId_IsRefused(CancellationToken cancellationToken)
    {
        CommandResult[] results = await RunAllAsync(
            _hub, cancellationToken, ["peer", "name", _left.PeerId, _right.PeerId[^6..]], ["peer", "name", _left.PeerId, _right.PeerId[20..25]]);
        Assert.That(results.Select(r => r.ExitCode), Is.All.EqualTo(2));
        Assert.That(results.Select(r => r.Error), Is.All.Contain(_right.PeerId));
    }

    [Test]
    public async Task AnotherRolesCommand_SaysWhichRoleThisIs(CancellationToken cancellationToken)
    {
        CommandResult[] results = await RunAllAsync(_hub, cancellationToken, ["price"], ["pause"], ["chat", "Hello?"]);
        Assert.That(results.Select(r => r.ExitCode), Is.All.EqualTo(2), string.Join('\n', results.Select(r => r.Error)));
        Assert.That(results.Select(r => r.Error), Is.All.Contain("bootstrap node"));
    }

    [Test]
    public async Task Ephemeral_WithAnAddressThatIsNone_SaysSo(CancellationToken cancellationToken)
    {
        CommandResult result = await CocoonProgram.RunAsync(cancellationToken, "peers", "--ephemeral", "--bootstrap", "nonsense");
        Assert.That((result.ExitCode, result.Output), Is.EqualTo((2, "")));
        Assert.That(result.Error, Does.StartWith("error: ").And.Contain("'nonsense'"));
    }

    /// <summary>Steps of a path, the names of routes, and nothing that anybody could mean: a refusal each time, never a trace.</summary>
    [TestCase("..")]
    [TestCase("export")]
    public async Task EveryCommand_WithNamesOfNothing_RefusesInWords(string name, CancellationToken cancellationToken)
    {
        string home = Directory.CreateDirectory(Path.Combine(_directory, "home")).FullName;
        string[][] lines =
        [
            .. CommandTree.All().Where(c => c.Command.Arguments.Count > 0 && !s_namesAnything.Contains(c.Line))
                .Select(c => (string[])[.. c.Path, .. c.Command.Arguments.Select(_ => name), .. c.Command.Options.Any(o => o.Name == "--data") ? ["--data", _hub.DataDirectory] : (string[])[]]),
        ];
        List<string> traces = [];
        await Parallel.ForEachAsync(lines, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = cancellationToken }, async (line, token) =>
        {
            ProcessStartInfo start = CocoonProgram.Launch(line);
            start.Environment["HOME"] = home;
            CommandResult result = await CocoonProgram.RunAsync(start, token);
            if (result.ExitCode is not (>= 1 and <= 7) || !result.Error.StartsWith("error: ", StringComparison.Ordinal)
                || result.Error.Contains("   at ", StringComparison.Ordinal) || result.Error.Contains("COCOON_TRACE", StringComparison.Ordinal))
            {
                lock (traces)
                {
                    traces.Add($"{string.Join(' ', line)}: {result.ExitCode}\n{result.Output}{result.Error}");
                }
            }
        });
        Assert.That(lines, Has.Length.GreaterThan(20));
        Assert.That(traces, Is.Empty);
    }

    /// <summary>What others would drop, or what would silently be another number, is refused before anything starts.</summary>
    [Test]
    public async Task Up_WithWhatNoOfferCanHold_IsRefused(CancellationToken cancellationToken)
    {
        string[][] lines = [["--region", new string('x', 500)], ["--name", new string('x', 500)], ["--max-sessions", "5000"], ["--offline-allowance", "-1"]];
        CommandResult[] results = await Task.WhenAll(lines.Select(l => CocoonProgram.RunAsync(
            cancellationToken, ["up", .. l, "--upstream", "http://127.0.0.1:1", "--data", Path.Combine(_directory, "never")])));
        Assert.That(results.Select(r => r.ExitCode), Is.All.EqualTo(2), string.Join('\n', results.Select(r => r.Error)));
        Assert.That(results.Select(r => r.Error), Is.All.Contain("too long").Or.Contain("out of range"));
    }

    [Test]
    public async Task Ping_AnswersOverADirectPath_AndSaysWhenNobodyIsThere(CancellationToken cancellationToken)
    {
        string stranger = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB";
        CommandResult[] results = await RunAllAsync(
            _left,
            cancellationToken,
            ["ping", _hub.PeerId, "-c", "2", "--interval", "100ms", "-o", "json"],
            ["ping", _hub.PeerId[^6..], "--until-direct", "-o", "jsonl"],
            ["ping", stranger, "-c", "1", "--timeout", "2s", "-o", "json"],
            ["ping", "/ip4/127.0.0.1/tcp/1", "-c", "1"],
            ["ping", _hub.PeerId, "-c", "0"]);
        JsonObject good = JsonNode.Parse(results[0].Output)!.AsObject(), bad = JsonNode.Parse(results[2].Output)!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Select(r => r.ExitCode), Is.EqualTo(new[] { 0, 0, 5, 2, 2 }));
            Assert.That(((int)good["sent"]!, (int)good["received"]!, (double)good["loss"]!, (bool)good["direct"]!), Is.EqualTo((2, 2, 0.0, true)));
            Assert.That(results[1].Output.TrimEnd().Split('\n'), Has.Length.EqualTo(1), "the first direct answer ends it");
            Assert.That(((int)bad["received"]!, bad["rtt_avg_ms"]), Is.EqualTo((0, (JsonNode?)null)));
            Assert.That((string)bad["pings"]![0]!["error"]!, Does.Contain("does not answer"));
        }
    }

    [Test]
    public async Task Dht_FindsPeersAndValues_AndSaysWhatItDoesNotKnow(CancellationToken cancellationToken)
    {
        CommandResult put = await RunAsync(_left, cancellationToken, "dht", "put", "status", "back at noon", "-o", "json");
        CommandResult[] results = await RunAllAsync(
            _right,
            cancellationToken,
            ["dht", "get", $"/cocoon/{_left.PeerId}/status", "-o", "json"],
            ["dht", "get", $"{_left.PeerId}/nothing"],
            ["dht", "find-peer", _left.PeerId, "-o", "json"],
            ["dht", "find-providers", new string('a', 64)],
            ["dht", "table", "-o", "json"],
            ["dht", "put", "no/name", "x"],
            ["offers", "--model", "nosuch", "-o", "json"]);
        Assert.That((put.ExitCode, results[0].ExitCode), Is.EqualTo((0, 0)), put.Error + results[0].Error);
        JsonObject stored = JsonNode.Parse(put.Output)!.AsObject(), read = JsonNode.Parse(results[0].Output)!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)stored["stored_at"]!, Is.GreaterThan(0));
            Assert.That(((string)read["text"]!, (string)read["owner"]!, (ulong)read["sequence"]!), Is.EqualTo(("back at noon", _left.PeerId, (ulong)stored["sequence"]!)));
            Assert.That(results[1..].Select(r => r.ExitCode), Is.EqualTo(new[] { 4, 0, 4, 0, 2, 4 }));
            Assert.That(results[6].Error, Does.Contain("no offer of 'nosuch'"));
            Assert.That(JsonNode.Parse(results[6].Output)!["offers"]!.AsArray(), Is.Empty, "the document is there all the same");
            Assert.That(JsonNode.Parse(results[2].Output)!["peers"]![0]!["addresses"]!.AsArray(), Is.Not.Empty);
            Assert.That((string)JsonNode.Parse(results[4].Output)!["mode"]!, Is.EqualTo("server"));
        }
    }

    [Test]
    public async Task Gossip_ShowsTopicsMeshAndScores(CancellationToken cancellationToken)
    {
        CommandResult[] results = await RunAllAsync(
            _hub, cancellationToken, ["gossip", "topics", "-o", "json"], ["gossip", "mesh", "-o", "jsonl"], ["gossip", "scores", "-o", "csv", "--columns", "peer,score,p4"]);
        Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, string.Join('\n', results.Select(r => r.Error)));
        JsonNode topic = JsonNode.Parse(results[0].Output)!["topics"]!.AsArray().Single(t => (string)t!["topic"]! == "/cocoon/devnet/models/1")!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(((bool)topic["subscribed"]!, (int)topic["peers"]!), Is.EqualTo((true, 2)));
            Assert.That(results[1].Output.TrimEnd().Split('\n').Select(l => (string)JsonNode.Parse(l)!["peer"]!), Is.EquivalentTo(new[] { _left.PeerId, _right.PeerId }));
            Assert.That(results[2].Output.Split('\n')[0], Is.EqualTo("peer,score,p4"));
            Assert.That(results[2].Output, Does.Contain(_left.PeerId));
        }
    }

    [Test]
    public async Task NetDoctor_MeasuresWhatItCan_AndFailsWhenAlone(CancellationToken cancellationToken)
    {
        CocoonNode lonely = await StartAsync("lonely", ["--bootstrap", "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"], cancellationToken);
        await using CocoonNode owned = lonely;
        CommandResult[] results = await RunAllAsync(_hub, cancellationToken, ["net", "doctor", "-o", "json"], ["net", "doctor"], ["net", "doctor", "-q", "--filter", "verdict=ok"]);
        CommandResult alone = await RunAsync(lonely, cancellationToken, "net", "doctor");
        JsonObject document = JsonNode.Parse(results[0].Output)!.AsObject();
        Dictionary<string, string> checks = document["checks"]!.AsArray().ToDictionary(c => (string)c!["name"]!, c => (string)c!["verdict"]!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, results[1].Output);
            Assert.That((checks["net.peers"], checks["net.dht"], checks["net.reachability"], checks["chain.lag"], checks["clock.skew"]), Is.EqualTo(("ok", "ok", "ok", "unmeasured", "unmeasured")));
            Assert.That(document["addresses"]!.AsArray().Select(a => ((bool)a!["announced"]!, (bool)a["verified"]!)), Does.Contain((true, true)));
            Assert.That(results[1].Output, Does.Match("(?m)^-     chain\\.lag +could not measure \\(this node uses no chain\\)"));
            Assert.That(results[2].Output, Does.Contain("net.peers\n").And.Not.Contain("chain.lag"));
            Assert.That(alone.ExitCode, Is.EqualTo(1));
            Assert.That(alone.Output, Does.Contain("fail  net.peers").And.Contain("why").And.Contain("fix"));
        }
    }

    [Test]
    public async Task Events_ArePipedAsJsonLines_AndEndWithTheirCount(CancellationToken cancellationToken)
    {
        CommandResult past = await RunAsync(_hub, cancellationToken, "events", "--last", "1000", "--type", "peer_joined", "--count", "1", "-o", "json");
        CommandResult line = await RunAsync(_hub, cancellationToken, "events", "--last", "1000", "--type", "peer_joined", "--count", "1");
        using (Process shell = Process.Start("sh", ["-c", $"(for i in 1 2; do \"$@\"; echo between; done) > '{Path.Combine(_directory, "tape")}'", "sh", .. CocoonProgram.Launch([]).ArgumentList.Prepend(CocoonProgram.Launch([]).FileName), "events", "--last", "1", "--count", "1", "--data", _hub.DataDirectory]))
        {
            await shell.WaitForExitAsync(cancellationToken);
        }

        CommandResult endless = await RunAsync(_hub, cancellationToken, "events", "-o", "json");
        JsonObject joined = JsonNode.Parse(line.Output.Trim())!.AsObject();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)joined["type"]!, Is.EqualTo("peer_joined"));
            Assert.That((string?)joined["peer"], Does.StartWith("12D3KooW"));
            Assert.That((string)JsonNode.Parse(past.Output)!["events"]![0]!["type"]!, Is.EqualTo("peer_joined"));
            Assert.That(File.ReadAllLines(Path.Combine(_directory, "tape")), Has.Length.EqualTo(4).And.Some.EqualTo("between"), "what is written after it into the same file comes after it");
            Assert.That(endless.ExitCode, Is.EqualTo(2), "what has no end is no document");
        }
    }

    /// <summary>Visitors that stay for one ping come and go faster than anybody could look: the tape has both, in order, and nothing is lost.</summary>
    [Test]
    public async Task Events_OfShortVisits_AllReachALiveWatcher(CancellationToken cancellationToken)
    {
        const int Visits = 3;
        CommandResult last = await RunAsync(_hub, cancellationToken, "events", "--last", "1", "--count", "1");
        long before = (long)JsonNode.Parse(last.Output)!["sequence"]!;
        using Process watcher = Process.Start(CocoonProgram.Launch(["events", "--last", "1000", "--type", "peer_joined,peer_left", "--data", _hub.DataDirectory]))!;
        Task<string> error = watcher.StandardError.ReadToEndAsync(cancellationToken);
        Assert.That(await watcher.StandardOutput.ReadLineAsync(cancellationToken), Does.Contain("peer_joined"), "an event of the past: it watches from here on");
        List<(string Type, string? Peer)> seen = [];
        for (int i = 1; i <= Visits; i++)
        {
            CommandResult visit = await CocoonProgram.RunAsync(cancellationToken, "ping", _hub.Address, "-c", "1", "--ephemeral", "--lan");
            Assert.That(visit.ExitCode, Is.Zero, visit.Error);

            // The next one comes when the hub has seen this one leave.
            while (seen.Count < 2 * i && await watcher.StandardOutput.ReadLineAsync(cancellationToken) is { } text)
            {
                JsonObject item = JsonNode.Parse(text)!.AsObject();
                if (item["sequence"] is not { } sequence || (long)sequence > before)
                {
                    seen.Add(((string)item["type"]!, (string?)item["peer"]));
                }
            }
        }

        watcher.StandardOutput.Close();
        await watcher.WaitForExitAsync(cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen.Select(e => e.Type), Is.EqualTo(Enumerable.Repeat((string[])["peer_joined", "peer_left"], Visits).SelectMany(pair => pair)));
            Assert.That(seen.Chunk(2).Select(pair => pair[0].Peer), Is.EqualTo(seen.Chunk(2).Select(pair => pair[1].Peer)).And.Unique);
            Assert.That(watcher.ExitCode, Is.Zero, await error);
        }
    }

    /// <summary>As <c>| head -1</c> does it, in a network in which nothing happens.</summary>
    [Test]
    public async Task Watch_WhoseReaderHangsUp_EndsThoughNothingChanges(CancellationToken cancellationToken)
    {
        CommandResult[] results = await Task.WhenAll(
            ReadOneLineAsync(_hub, cancellationToken, "peers", "--watch=1m"), ReadOneLineAsync(_hub, cancellationToken, "events", "--last", "1"),
            ReadOneLineAsync(_hub, cancellationToken, "peers", "--watch=1m", "--columns", "direction,path"));
        Assert.That(results.Select(r => r.ExitCode), Is.All.Zero, string.Join('\n', results.Select(r => r.Error)));
        Assert.That((string)JsonNode.Parse(results[0].Output)!["change"]!, Is.EqualTo("added"));
        Assert.That(JsonNode.Parse(results[2].Output)!.AsObject().Select(f => f.Key), Is.EqualTo(new[] { "change", "at", "direction", "path" }));
    }

    [Test]
    public async Task Ephemeral_LooksAroundWithoutANode_AndLeavesNothing(CancellationToken cancellationToken)
    {
        string nowhere = Path.Combine(_directory, "no-node");
        string[] join = ["--ephemeral", "--lan", "--bootstrap", _hub.Address, "--data", nowhere];
        string temporary = Directory.CreateDirectory(Path.Combine(_directory, "temporary")).FullName;
        CommandResult[] results = await Task.WhenAll(
            VisitAsync(["peers", "-q", .. join]),
            VisitAsync(["dht", "find-peer", _left.PeerId, "-o", "json", .. join]),
            VisitAsync(["ping", _right.Address, "-c", "1", "-o", "json", "--ephemeral", "--lan"]),
            VisitAsync(["peers", "--ephemeral"]),
            VisitAsync(["peers", "--data", nowhere]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results.Select(r => r.ExitCode), Is.EqualTo(new[] { 0, 0, 0, 2, 3 }), string.Join('\n', results.Select(r => r.Error)));
            Assert.That(results[0].Output, Does.Contain(_hub.PeerId));
            Assert.That(results[1].Output, Does.Contain("/ip4/127.0.0.1/tcp/"));
            Assert.That((bool)JsonNode.Parse(results[2].Output)!["direct"]!, Is.True);
            Assert.That(Directory.Exists(nowhere), Is.False);
            Assert.That(Directory.GetDirectories(temporary, "cocoon-eph-*"), Is.Empty, "its folder is gone with it");
        }

        Task<CommandResult> VisitAsync(string[] arguments)
        {
            ProcessStartInfo start = CocoonProgram.Launch(arguments);
            start.Environment["TMPDIR"] = temporary;
            return CocoonProgram.RunAsync(start, cancellationToken);
        }
    }

    private Task<CocoonNode> StartAsync(string name, string[] arguments, CancellationToken cancellationToken) => CocoonNode.StartAsync(
        name, ["up", "--no-model", "--lan", "--listen", "/ip4/127.0.0.1/tcp/0", .. arguments], Path.Combine(_directory, name), cancellationToken);

    private static Task<CommandResult> RunAsync(CocoonNode node, CancellationToken cancellationToken, params string[] arguments) =>
        CocoonProgram.RunAsync(cancellationToken, [.. arguments, "--data", node.DataDirectory]);

    private static Task<CommandResult[]> RunAllAsync(CocoonNode node, CancellationToken cancellationToken, params string[][] commands) =>
        Task.WhenAll(commands.Select(c => RunAsync(node, cancellationToken, c)));

    /// <summary>Reads one line and hangs up, as <c>| head -1</c> does; the command ends by itself.</summary>
    private static async Task<CommandResult> ReadOneLineAsync(CocoonNode node, CancellationToken cancellationToken, params string[] arguments)
    {
        using Process process = Process.Start(CocoonProgram.Launch([.. arguments, "--data", node.DataDirectory]))!;
        Task<string> error = process.StandardError.ReadToEndAsync(cancellationToken);
        string? line = await process.StandardOutput.ReadLineAsync(cancellationToken);
        process.StandardOutput.Close();
        await process.WaitForExitAsync(cancellationToken);
        return new CommandResult(process.ExitCode, line ?? "", await error);
    }
}
