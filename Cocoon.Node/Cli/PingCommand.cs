using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon ping</c>: is the peer there, how far, and over which path.</summary>
internal static class PingCommand
{
    private const int DefaultCount = 4, DefaultCountUntilDirect = 30, MaxCount = 100_000;

    private static readonly Column[] Columns =
    [
        new("number", "#", IsRight: true) { IsKey = true },
        new("path", "PATH"),
        new("via", "VIA"),
        new("address", "ADDRESS"),
        new("rtt_ms", "RTT"),
        new("error", "ERROR"),
    ];

    public static Command Build()
    {
        Argument<string> peer = new("peer") { Description = "Peer id, part of it, a name, or a multiaddr with /p2p/ID" };
        Option<int?> count = new Option<int?>("--count", "-c") { Description = $"Pings to send (default {DefaultCount}; with --until-direct at most {DefaultCountUntilDirect})" }.Within(1, MaxCount);
        Option<string> interval = new("--interval") { Description = "Time between pings", DefaultValueFactory = _ => "1s" };
        Option<string> timeout = new("--timeout") { Description = "Time for one answer, dialling included", DefaultValueFactory = _ => "10s" };
        Option<bool> untilDirect = new("--until-direct") { Description = "Stop at the first answer over a direct path; exit code 1 when there is none" };
        Option<OutputFormat> output = CommonOptions.Output();
        NodeSource source = new();
        Command command = new("ping", "Measure the way to a peer; exit code 5 when it does not answer\n\nExample: cocoon ping R9cSJ9 --until-direct")
        {
            peer, count, interval, timeout, untilDirect, output,
        };
        source.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            string target = parse.GetValue(peer)!;
            bool direct = parse.GetValue(untilDirect);
            int wanted = parse.GetValue(count) ?? (direct ? DefaultCountUntilDirect : DefaultCount);
            TimeSpan wait = RowOptionSet.ParseInterval(parse.GetValue(timeout), timeout.Name);
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken, needsJoining: !target.StartsWith('/'));
            Run run = new(node.Client, Path(target, wait), wait, parse.GetValue(output));
            try
            {
                await run.SendAsync(wanted, RowOptionSet.ParseInterval(parse.GetValue(interval), interval.Name), direct, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && run.Sent > 0)
            {
                run.Finish(target);
                return ExitCode.Interrupted;
            }

            run.Finish(target);
            return run.Received == 0 ? ExitCode.Network : direct && !run.IsDirect ? ExitCode.CheckFailed : ExitCode.Ok;
        });
        return command;
    }

    private static string Path(string target, TimeSpan wait)
    {
        string limit = $"timeout_ms={(int)wait.TotalMilliseconds}";
        if (!target.StartsWith('/'))
        {
            return $"/control/peers/{ControlClient.Segment(target, "peer")}/ping?{limit}";
        }

        Multiaddr address = Multiaddr.Parse(target);
        return address.Peer is { } peer
            ? $"/control/peers/{peer}/ping?{limit}&address={Uri.EscapeDataString(target)}"
            : throw new CliException(ExitCode.Usage, "the address names no peer", target, "Add /p2p/ and the peer id.");
    }

    /// <summary>One run of pings and what came of it.</summary>
    private sealed class Run(ControlClient client, string path, TimeSpan wait, OutputFormat format)
    {
        private readonly List<JsonObject> _rows = [];

        public int Sent => _rows.Count;

        public int Received => _rows.Count(r => r["error"] is null);

        public bool IsDirect { get; private set; }

        public async Task SendAsync(int count, TimeSpan interval, bool untilDirect, CancellationToken cancellationToken)
        {
            using PeriodicTimer timer = new(interval);
            for (int number = 1; ; number++)
            {
                JsonObject row = await PingAsync(number, cancellationToken);
                _rows.Add(row);
                IsDirect = row["error"] is null && (string?)row["path"] != "relay";
                Print(row);
                if (number == count || (untilDirect && IsDirect))
                {
                    return;
                }

                await timer.WaitForNextTickAsync(cancellationToken);
            }
        }

        public void Finish(string target)
        {
            double[] times = [.. _rows.Where(r => r["error"] is null).Select(r => (double)r["rtt_ms"]!)];
            double loss = 1 - times.Length / (double)_rows.Count;
            if (format == OutputFormat.Json)
            {
                JsonObject document = new()
                {
                    ["schema"] = ControlJson.Schema,
                    ["target"] = target,
                    ["sent"] = _rows.Count,
                    ["received"] = times.Length,
                    ["loss"] = Math.Round(loss, 4),
                    ["rtt_min_ms"] = times.Length > 0 ? times.Min() : null,
                    ["rtt_avg_ms"] = times.Length > 0 ? times.Average() : null,
                    ["rtt_max_ms"] = times.Length > 0 ? times.Max() : null,
                    ["direct"] = IsDirect,
                    ["pings"] = new JsonArray([.. _rows]),
                };
                RowWriter.WriteObject(document, OutputFormat.Json, _ => [], Console.Out);
            }
            else if (format == OutputFormat.Table)
            {
                string figures = times.Length > 0
                    ? string.Create(CultureInfo.InvariantCulture, $"  min/avg/max {times.Min():0.0}/{times.Average():0.0}/{times.Max():0.0} ms")
                    : "";
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_rows.Count} sent, {times.Length} answered, loss {loss:0%}{figures}"));
            }
        }

        private async Task<JsonObject> PingAsync(int number, CancellationToken cancellationToken)
        {
            try
            {
                JsonObject answer = await client.GetAsync(path, wait + ListCommand.Wait, cancellationToken);
                string before = _rows.LastOrDefault(r => r["error"] is null)?["path"]?.ToString() ?? "relay";
                return new JsonObject
                {
                    ["number"] = number,
                    ["peer"] = (string?)answer["peer"],
                    ["path"] = (string?)answer["path"],
                    ["via"] = (string?)answer["via"],
                    ["address"] = (string?)answer["address"],
                    ["rtt_ms"] = (double?)answer["rtt_ms"],
                    ["upgraded"] = _rows.Count > 0 && before == "relay" && (string?)answer["path"] != "relay" && Received > 0,
                    ["error"] = null,
                };
            }
            catch (ControlException exception) when (exception.ExitCode is ExitCode.Network or ExitCode.TimedOut)
            {
                CliException shown = exception.ToCliException();
                return new JsonObject { ["number"] = number, ["path"] = null, ["via"] = null, ["address"] = null, ["rtt_ms"] = null, ["upgraded"] = false, ["error"] = $"{shown.Message}: {shown.Why}" };
            }
        }

        private void Print(JsonObject row)
        {
            switch (format)
            {
                case OutputFormat.Table when row["error"] is { } error:
                    Console.Out.WriteLine($"{row["number"],-3} {Words.OneLine(error.ToString())}");
                    break;
                case OutputFormat.Table:
                    string way = row["via"] is { } via ? $"relay {Words.Short(via)}" : $"{row["path"]} {row["address"]}";
                    Console.Out.WriteLine($"{row["number"],-3} {Words.OneLine(way)}  {Words.Number(row["rtt_ms"], "0.0", " ms")}{((bool)row["upgraded"]! ? "  upgraded" : "")}");
                    break;
                case OutputFormat.Jsonl:
                    Console.Out.WriteLine(row.ToJsonString());
                    break;
                case OutputFormat.Csv:
                    if (_rows.Count == 1)
                    {
                        Console.Out.WriteLine(string.Join(',', Columns.Select(c => c.Field)));
                    }

                    Console.Out.WriteLine(string.Join(',', Columns.Select(c => RowWriter.Quote(Words.OneLine(c.Raw(row) ?? "")))));
                    break;
            }
        }
    }
}
