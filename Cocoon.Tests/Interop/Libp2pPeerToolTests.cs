using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Tests.EndToEnd;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>The test peer speaks its JSON lines: two of them meet and talk.</summary>
[Category("Interop")]
public sealed class Libp2pPeerToolTests
{
    private static readonly string[] Arguments = ["--topic", "t", "--kad-protocol", "/cocoon/test/kad/1.0.0", "--value-ns", "cocoon"];

    [Test, CancelAfter(120_000)]
    public async Task TwoPeers_DialPingEchoAndMeasure(CancellationToken cancellationToken)
    {
        await using Driver a = await Driver.StartAsync(cancellationToken), b = await Driver.StartAsync(cancellationToken);
        JsonElement dialled = await a.CallAsync("dial", new() { ["addr"] = b.Address }, cancellationToken);
        Assert.That(dialled.GetProperty("peer_id").GetString(), Is.EqualTo(b.PeerId));
        await b.LineAsync(line => line.TryGetProperty("event", out JsonElement name) && name.GetString() == "identified", cancellationToken);
        JsonElement ping = await a.CallAsync("ping", new() { ["peer"] = b.PeerId }, cancellationToken);
        Assert.That(ping.GetProperty("ms").GetDouble(), Is.GreaterThan(0));
        JsonElement echo = await a.CallAsync("echo", new() { ["peer"] = b.PeerId, ["size"] = 300_000 }, cancellationToken);
        Assert.That(echo.GetProperty("equal").GetBoolean(), Is.True);
        JsonElement perf = await a.CallAsync("perf", new() { ["peer"] = b.PeerId, ["upload"] = 1_000_000, ["download"] = 2_000_000 }, cancellationToken);
        Assert.That(perf.GetProperty("received").GetInt64(), Is.EqualTo(2_000_000));
        JsonElement unknown = await a.CallAsync("fly", [], cancellationToken);
        Assert.That(unknown.GetProperty("ok").GetBoolean(), Is.False);
    }

    [TestCase("--wings", "2")]
    [TestCase("--topic")]
    [TestCase("--listen", "nowhere")]
    [TestCase("--reserve", "/ip4/1")]
    [TestCase("--kad-mode", "sometimes")]
    public async Task Run_WrongOption_ExitsWithTwo(params string[] arguments)
    {
        using StringWriter output = new(), errors = new();
        Assert.That(await Libp2pPeerTool.RunAsync(arguments, TextReader.Null, output, errors), Is.EqualTo(2));
        Assert.That(output.ToString(), Is.Empty, "stdout is JSON lines only");
        Assert.That(errors.ToString(), Does.StartWith("error: "));
    }

    [Test]
    public async Task Run_Help_IsAUsageText()
    {
        using StringWriter output = new(), errors = new();
        Assert.That(await Libp2pPeerTool.RunAsync(["--help"], TextReader.Null, output, errors), Is.Zero);
        Assert.That(output.ToString(), Does.Contain("--kad-protocol").And.Contain("scripts/interop/README.md"));
        Assert.That(errors.ToString(), Is.Empty);
    }

    [TestCase("upload"), TestCase("download"), CancelAfter(60_000)]
    public async Task Perf_OfANegativeSize_IsAnErrorAtOnce(string field, CancellationToken cancellationToken)
    {
        using StringWriter output = new(), errors = new();
        using StringReader input = new($$"""{"id":1,"op":"perf","{{field}}":-1}""");
        await Libp2pPeerTool.RunAsync([], input, output, errors).WaitAsync(cancellationToken);
        JsonElement answer = JsonSerializer.Deserialize<JsonElement>(output.ToString().TrimEnd().Split('\n')[^1]);
        Assert.That(answer.GetProperty("error").GetString(), Is.EqualTo($"'{field}' is below 0"));
    }

    [Test, CancelAfter(60_000)]
    public async Task Run_InputEndsAtOnce_HasSaidWhoItIs_InJsonAlone(CancellationToken cancellationToken)
    {
        using StringWriter output = new(), errors = new();
        int code = await Libp2pPeerTool.RunAsync([.. Arguments, "--relay"], new StringReader("this is no JSON\n{\"id\":1,\"op\":\"ping\"}\n\n[]\n"), output, errors).WaitAsync(cancellationToken);
        JsonElement[] lines = [.. output.ToString().TrimEnd().Split('\n').Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.Zero);
            Assert.That(lines[0].GetProperty("peer_id").GetString(), Does.StartWith("12D3KooW"));
            Assert.That(lines[0].GetProperty("addrs")[0].GetString(), Does.StartWith("/ip4/127.0.0.1/tcp/"));
            Assert.That(lines, Has.Length.EqualTo(4), "one answer for each command, none for an empty line");
            Assert.That(lines[1..].Select(line => line.GetProperty("ok").GetBoolean()), Is.All.False);
        }
    }

    /// <summary>Every operation and flag, between processes: a relay, a peer behind it, and one that talks to both.</summary>
    [Test, CancelAfter(120_000)]
    public async Task EveryOperation_BetweenThreeProcesses_IsAnswered(CancellationToken cancellationToken)
    {
        await using ToolPeer relay = await ToolPeer.StartAsync([], cancellationToken, [.. Arguments, "--relay"]);
        await using ToolPeer hidden = await ToolPeer.StartAsync([], cancellationToken, [.. Arguments, "--reserve", relay.Address.ToString(), "--punch-only"]);
        await using ToolPeer peer = await ToolPeer.StartAsync([], cancellationToken, [.. Arguments, "--kad-mode", "client"]);
        Task<JsonElement> Call(string operation, JsonObject fields) => peer.CallAsync(operation, fields, cancellationToken);
        JsonObject Relay() => new() { ["peer"] = relay.PeerId.ToString() };
        string key = Convert.ToHexStringLower(Cocoon.Protocol.Multiformats.Multihash.Sha256("content"u8));

        JsonElement dialled = await Call("dial", new() { ["addr"] = relay.Address.ToString() });
        await peer.EventAsync("identified", e => e.GetProperty("peer_id").GetString() == relay.PeerId.ToString(), cancellationToken);
        JsonElement protocols = await Call("protocols", Relay());
        JsonElement ping = await Call("ping", Relay()), echo = await Call("echo", Relay());
        JsonElement perf = await Call("perf", new() { ["peer"] = relay.PeerId.ToString(), ["upload"] = 100_000, ["download"] = 200_000 });
        JsonElement provided = await relay.CallAsync("provide", new() { ["key"] = key }, cancellationToken);
        JsonElement providers = await Call("find_providers", new() { ["key"] = key });
        JsonElement put = await Call("put", new() { ["key"] = "/cocoon/k", ["value"] = "0102" });
        JsonElement got = await Call("get", new() { ["key"] = "/cocoon/k" });
        JsonElement found = await Call("find_peer", new() { ["peer"] = hidden.PeerId.ToString() });

        string circuit = $"{relay.Address}/p2p-circuit/p2p/{hidden.PeerId}";
        await Call("dial", new() { ["addr"] = circuit });
        JsonElement direct = await Call("wait_direct", new() { ["peer"] = hidden.PeerId.ToString() });
        JsonElement service = await relay.CallAsync("relay", [], cancellationToken);
        JsonElement reserved = await Call("reserve", new() { ["addr"] = relay.Address.ToString() });
        JsonElement addresses = await Call("addrs", []), reachability = await Call("reachability", []);

        await Call("subscribe", new() { ["topic"] = "other" });
        await Call("unsubscribe", new() { ["topic"] = "other" });
        await MeetAsync(peer, "subscribers", relay.PeerId, cancellationToken);
        await MeetAsync(peer, "mesh", relay.PeerId, cancellationToken);
        JsonElement published = await Call("publish", new() { ["topic"] = "t", ["data"] = "68656c6c6f" });
        JsonElement heard = await relay.EventAsync("message", e => e.GetProperty("data").GetString() == "68656c6c6f", cancellationToken);
        await Call("handle", new() { ["protocol"] = "/mine/1" });
        JsonElement peers = await Call("peers", []);
        await Call("hang_up", Relay());
        await relay.EventAsync("disconnected", e => e.GetProperty("peer_id").GetString() == peer.PeerId.ToString(), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(dialled.GetProperty("peer_id").GetString(), Is.EqualTo(relay.PeerId.ToString()));
            Assert.That(
                protocols.GetProperty("protocols").EnumerateArray().Select(p => p.GetString()),
                Is.SupersetOf((string[])
                [
                    "/echo/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/perf/1.0.0", "/cocoon/test/kad/1.0.0", "/meshsub/1.1.0", "/meshsub/1.2.0",
                    "/libp2p/circuit/relay/0.2.0/hop", "/libp2p/circuit/relay/0.2.0/stop", "/libp2p/dcutr", "/libp2p/autonat/1.0.0",
                ]));
            Assert.That(ping.GetProperty("ms").GetDouble(), Is.GreaterThan(0));
            Assert.That(echo.GetProperty("equal").GetBoolean(), Is.True);
            Assert.That(perf.GetProperty("received").GetInt64(), Is.EqualTo(200_000));
            Assert.That(provided.GetProperty("peers").GetInt32(), Is.EqualTo(1), "the hidden one; the other is a client");
            Assert.That(providers.GetProperty("providers")[0].GetProperty("peer_id").GetString(), Is.EqualTo(relay.PeerId.ToString()));
            Assert.That(put.GetProperty("peers").GetInt32(), Is.EqualTo(2));
            Assert.That(got.GetProperty("value").GetString(), Is.EqualTo("0102"));
            Assert.That(found.GetProperty("peer_id").GetString(), Is.EqualTo(hidden.PeerId.ToString()));
            Assert.That(direct.GetProperty("addr").GetString(), Does.Not.Contain("p2p-circuit"));
            Assert.That(service.GetProperty("reservations").EnumerateArray().Select(r => r.GetString()), Does.Contain(hidden.PeerId.ToString()));
            Assert.That(reserved.GetProperty("voucher").GetBoolean(), Is.True);
            Assert.That(addresses.GetProperty("addrs").EnumerateArray().Select(a => a.GetString()), Has.Some.Contains("/p2p-circuit/"));
            Assert.That(reachability.GetProperty("verdict").GetString(), Is.AnyOf("unknown", "public", "private"));
            Assert.That(published.GetProperty("recipients").GetInt32(), Is.GreaterThan(0));
            Assert.That(heard.GetProperty("from").GetString(), Is.EqualTo(peer.PeerId.ToString()));
            Assert.That(peers.GetProperty("peers").EnumerateArray().Select(p => p.GetProperty("peer_id").GetString()), Does.Contain(relay.PeerId.ToString()));
        }
    }

    private static async Task MeetAsync(ToolPeer peer, string what, Cocoon.Protocol.Identity.PeerId other, CancellationToken cancellationToken) => await Eventually.GetAsync(
        what,
        async () => (await peer.CallAsync(what, new() { ["topic"] = "t" }, cancellationToken)).GetProperty("peers").EnumerateArray().Any(p => p.GetString() == other.ToString()) ? "" : null,
        TimeSpan.FromSeconds(30),
        cancellationToken);

    /// <summary>A test peer in this process, behind pipes.</summary>
    private sealed class Driver : IAsyncDisposable
    {
        private readonly StreamWriter _input;
        private readonly StreamReader _output;
        private readonly Task<int> _run;
        private int _id;

        private Driver()
        {
            Pipe input = new(), output = new();
            _input = new StreamWriter(input.Writer.AsStream()) { AutoFlush = true };
            _output = new StreamReader(output.Reader.AsStream());
            _run = Task.Run(async () => await Libp2pPeerTool.RunAsync(
                Arguments, new StreamReader(input.Reader.AsStream()), new StreamWriter(output.Writer.AsStream()), TextWriter.Null));
        }

        public string PeerId { get; private set; } = "";

        public string Address { get; private set; } = "";

        public static async Task<Driver> StartAsync(CancellationToken cancellationToken)
        {
            Driver driver = new();
            JsonElement first = await driver.LineAsync(_ => true, cancellationToken);
            driver.PeerId = first.GetProperty("peer_id").GetString()!;
            driver.Address = first.GetProperty("addrs")[0].GetString()!;
            return driver;
        }

        public async Task<JsonElement> CallAsync(string operation, JsonObject fields, CancellationToken cancellationToken)
        {
            int id = ++_id;
            fields["id"] = id;
            fields["op"] = operation;
            await _input.WriteLineAsync(fields.ToJsonString().AsMemory(), cancellationToken);
            return await LineAsync(line => line.TryGetProperty("id", out JsonElement value) && value.GetInt32() == id, cancellationToken);
        }

        public async Task<JsonElement> LineAsync(Func<JsonElement, bool> match, CancellationToken cancellationToken)
        {
            while (await _output.ReadLineAsync(cancellationToken) is { } text)
            {
                JsonElement line = JsonSerializer.Deserialize<JsonElement>(text);
                if (match(line))
                {
                    return line;
                }
            }

            throw new IOException("the test peer ended");
        }

        public async ValueTask DisposeAsync()
        {
            await _input.DisposeAsync();
            await _run;
        }
    }
}
