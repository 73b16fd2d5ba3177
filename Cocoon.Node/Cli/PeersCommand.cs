using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon peers</c>: one row per connected peer.</summary>
internal static class PeersCommand
{
    private static readonly Column[] Columns =
    [
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        new("path", "PATH", r => r["via"] is { } via ? $"{r["path"]} via {Words.Short(via)}" : $"{r["path"]}"),
        new("via", "VIA", IsHidden: true) { IsId = true },
        new("direction", "DIR"),
        new("address", "ADDRESS", IsHidden: true),
        new("rtt_ms", "RTT", r => Words.Number(r["rtt_ms"], "0.0", " ms"), IsRight: true) { IsVolatile = true },
        new("loss", "LOSS", r => Words.Number(r["loss"], "0%"), IsRight: true),
        new("agent", "AGENT"),
        new("tier", "TIER"),
        new("attest", "ATTEST", r => r["attest"] is { } verdict ? $"{verdict} {Words.Age(r["attest_age_seconds"])}" : "-"),
        new("attest_age_seconds", "ATTEST AGE", r => Words.Age(r["attest_age_seconds"]), IsRight: true, IsHidden: true) { IsVolatile = true },
        new("models", "MODELS", r => r["models"] is JsonArray { Count: > 0 } models ? string.Join(' ', models.Select(m => m!.ToString())) : "-"),
        new("slots_free", "SLOTS", r => r["slots_total"] is null ? "-" : $"{r["slots_free"]}/{r["slots_total"]}", IsRight: true),
        new("slots_total", "SLOTS TOTAL", IsRight: true, IsHidden: true),
        new("price_prompt", "IN*", r => Words.Ton(r["price_prompt"], 3), IsRight: true),
        new("price_completion", "OUT*", r => Words.Ton(r["price_completion"], 3), IsRight: true),
        new("paid_nanoton", "VOUCHED", r => Words.Ton(r["paid_nanoton"]), IsRight: true),
        new("streams", "STREAMS", IsRight: true) { IsVolatile = true },
        new("bytes_in", "RECEIVED", r => Words.Bytes(r["bytes_in"]), IsRight: true) { IsVolatile = true },
        new("bytes_out", "SENT", r => Words.Bytes(r["bytes_out"]), IsRight: true) { IsVolatile = true },
        new("score", "SCORE", r => Words.Number(r["score"], "0.0"), IsRight: true) { IsVolatile = true },
        new("age_seconds", "AGE", r => Words.Age(r["age_seconds"]), IsRight: true) { IsVolatile = true },
        new("protocols", "PROTOCOLS", IsHidden: true),
    ];

    public static Command Build() => ListCommand.Build(
        "peers",
        "Peers this node is connected to, one row each\n\nExample: cocoon peers --filter 'rtt_ms<50' --sort rtt_ms -o csv",
        "/control/peers",
        "peers",
        Columns,
        "* TON per 1,000,000 tokens");
}
