using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon peers</c>: one row per connected peer.</summary>
internal static class PeersCommand
{
    private static readonly Column[] Columns =
    [
        new("peer", "PEER", r => Words.Short(r["peer"])),
        new("path", "PATH"),
        new("direction", "DIR"),
        new("address", "ADDRESS"),
        new("rtt_ms", "RTT", r => Words.Number(r["rtt_ms"], "0.0", " ms"), IsRight: true),
        new("agent", "AGENT"),
        new("tier", "TIER"),
        new("models", "MODELS", r => r["models"] is JsonArray { Count: > 0 } models ? string.Join(' ', models.Select(m => m!.ToString())) : "-"),
        new("slots_free", "SLOTS", r => r["slots_total"] is null ? "-" : $"{r["slots_free"]}/{r["slots_total"]}", IsRight: true),
        new("slots_total", "SLOTS TOTAL", IsRight: true, IsHidden: true),
        new("price_prompt", "IN*", r => Words.Ton(r["price_prompt"], 3), IsRight: true),
        new("price_completion", "OUT*", r => Words.Ton(r["price_completion"], 3), IsRight: true),
        new("streams", "STREAMS", IsRight: true),
        new("bytes_in", "RECEIVED", IsRight: true, IsHidden: true),
        new("bytes_out", "SENT", IsRight: true, IsHidden: true),
        new("score", "SCORE", r => Words.Number(r["score"], "0.0"), IsRight: true),
        new("age_seconds", "AGE", r => Words.Age(r["age_seconds"]), IsRight: true),
        new("protocols", "PROTOCOLS", IsHidden: true),
    ];

    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        RowOptionSet rows = new();
        Command command = new("peers", "Peers this node is connected to\n\nExample: cocoon peers --sort rtt_ms -o csv") { data };
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.GetAsync("/control/peers", cancellationToken);
            RowOptions options = rows.Read(parse);
            RowWriter.Write(document, "peers", Columns, options, Console.Out);
            if (options.Format == OutputFormat.Table)
            {
                await Console.Error.WriteLineAsync("* TON per 1,000,000 tokens");
            }

            return ExitCode.Ok;
        });
        return command;
    }
}
