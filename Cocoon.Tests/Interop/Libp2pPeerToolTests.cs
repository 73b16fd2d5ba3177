using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
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

    [Test]
    public async Task Run_UnknownOption_ExitsWithTwo()
    {
        using StringWriter output = new(), errors = new();
        Assert.That(await Libp2pPeerTool.RunAsync(["--wings", "2"], TextReader.Null, output, errors), Is.EqualTo(2));
        Assert.That(output.ToString(), Is.Empty, "stdout is JSON lines only");
    }

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
