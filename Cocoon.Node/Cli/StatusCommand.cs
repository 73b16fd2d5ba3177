using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon status</c>: alive? reachable? earning or spending? on one page.</summary>
internal static class StatusCommand
{
    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new("status", "This node on one page\n\nExample: cocoon status -o json") { data, output };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.GetAsync("/control/status", cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        yield return ("NODE", $"{Words.Short(d["peer_id"])}  v{d["version"]}  up {Words.Age(d["uptime_seconds"])}  role {d["role"]}  network {d["network"]}");
        foreach (JsonNode? address in d["addresses"]!.AsArray())
        {
            yield return ("", $"{new string(' ', 8)}{address}");
        }

        yield return ("PEERS", $"{d["peers"]!["connected"]} connected ({d["peers"]!["relayed"]} relayed)  {d["peers"]!["dht_table"]} in DHT table  {d["offers_seen"]} offers seen");
        JsonNode chain = d["chain"]!;
        yield return ("CHAIN", chain["reachable"]!.GetValue<bool>()
            ? $"ok, {Words.Number(chain["lag_seconds"], "0.0", " s")} behind  proof {chain["proof"]}  {chain["endpoint"]}"
            : $"not reachable: {chain["problem"] ?? "-"}  {chain["endpoint"]}");
        foreach (JsonObject engine in d["engines"]!.AsArray().OfType<JsonObject>())
        {
            yield return ("ENGINE",
                $"{engine["status"]}  {engine["model"] ?? "-"}  {engine["quantisation"] ?? "-"}  {engine["slots_busy"]}/{engine["slots_total"]} slots busy  " +
                $"{Words.Number(engine["tokens_per_second"], "0.0", " tok/s")}  tier {engine["tier"] ?? "-"} ({engine["evidence_kind"] ?? "-"})");
            if (engine["problem"] is { } problem)
            {
                yield return ("", $"{new string(' ', 8)}{problem}");
            }
        }

        if (d["wallet"] is JsonObject wallet)
        {
            yield return ("WALLET",
                $"{wallet["address"]}  {Words.Ton(wallet["balance_nanoton"])} TON  channels {wallet["channels_in"]} in / {wallet["channels_out"]} out  " +
                $"redeemable {Words.Ton(wallet["redeemable_nanoton"])}  at risk {Words.Ton(wallet["at_risk_nanoton"])}");
            if (wallet["missing_to_claim_nanoton"] is { } missing)
            {
                yield return ("", $"{new string(' ', 8)}too little to claim what is earned: send {Words.Ton(missing)} TON here for fees");
            }
        }

        JsonNode served = d["served"]!;
        yield return ("SERVED", $"{served["requests"]} requests  earned {Words.Ton(served["earned_nanoton"])} TON  declined {served["declined"]}");
        if (d["api_url"] is { } api)
        {
            yield return ("API", (int?)d["least_relays"] is > 0 and var relays ? $"{api}  (over {relays} privacy {(relays == 1 ? "relay" : "relays")} at least)" : api.ToString());
        }
    }
}
