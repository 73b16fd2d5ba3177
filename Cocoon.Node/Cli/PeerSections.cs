using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary>How people see one peer: a section per concern, each line with what is not known as <c>-</c>.</summary>
internal static class PeerSections
{
    public static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        JsonNode identity = d["identity"]!;
        yield return ("IDENTITY", $"{d["peer"]}");
        yield return ("  name", Text(d["name"]));
        yield return ("  agent", Text(identity["agent"]));
        yield return ("  protocol", Text(identity["protocol_version"]));
        yield return ("  key", $"{Text(identity["key_type"])} {Text(identity["public_key"])}");
        yield return ("  connected", (bool?)d["connected"] == true ? "yes" : "no");
        yield return ("PATHS", d["paths"]!.AsArray().Count == 0 ? "none known" : "");
        foreach (JsonObject path in d["paths"]!.AsArray().OfType<JsonObject>())
        {
            string verified = (bool?)path["verified"] == true ? "verified" : "unverified";
            string detail = (string?)path["state"] == "connected"
                ? $"connected {path["direction"]}  {Words.Number(path["rtt_ms"], "0.0", " ms")}  loss {Words.Number(path["loss"], "0%")}  {path["streams"]} streams  "
                    + $"{Words.Bytes(path["bytes_in"])} in, {Words.Bytes(path["bytes_out"])} out  {path["security"]} {path["muxer"]}  sees us at {Text(path["observed_address"])}"
                : $"{path["state"]}{((bool?)path["verified"] == true ? $" {Words.Age(path["age_seconds"])} ago" : "")}";
            yield return ("  " + Text(path["kind"]), $"{Text(path["address"])}  {verified}  {detail}");
        }

        yield return ("PROTOCOLS", d["protocols"]!.AsArray().Count == 0 ? "-" : "");
        foreach (JsonNode? protocol in d["protocols"]!.AsArray())
        {
            yield return ("", "           " + Text(protocol));
        }

        if (d["gossip"] is JsonObject gossip)
        {
            yield return ("GOSSIP", $"{Text(gossip["protocol"])}  score {Words.Number(gossip["score"], "0.0")}  {gossip["topics"]!.AsArray().Count} topics, in {gossip["mesh"]!.AsArray().Count} of our meshes");
        }

        if (d["dht"] is JsonObject dht)
        {
            yield return ("DHT", $"in the table, {dht["common_prefix_length"]} bits near; last answered {Words.Age(dht["last_answer_age_seconds"])} ago");
        }

        JsonNode? attestation = d["attestation"];
        yield return ("ATTESTATION", attestation is null ? "no offer, never asked" : $"{Text(attestation["verdict"])}  tier {Text(attestation["tier"])} ({Text(attestation["evidence_kind"])})  {(attestation["age_seconds"] is null ? "not appraised by us" : Words.Age(attestation["age_seconds"]) + " ago")}");
        yield return ("OFFERS", d["offers"]!.AsArray().Count == 0 ? "none" : "");
        foreach (JsonObject offer in d["offers"]!.AsArray().OfType<JsonObject>())
        {
            yield return ("  " + Text(offer["model"]), $"{Text(offer["quantisation"])}  in {Words.Ton(offer["price_prompt"], 3)} out {Words.Ton(offer["price_completion"], 3)} TON/1M  ctx {offer["context_tokens"]}  slots {offer["slots_free"]}/{offer["slots_total"]}  {Text(offer["verdict"])}");
        }

        yield return ("CHANNEL", d["channels"]!.AsArray().Count == 0 ? "none" : "");
        foreach (JsonObject channel in d["channels"]!.AsArray().OfType<JsonObject>())
        {
            yield return ("  " + Words.Short(channel["address"]), $"{channel["direction"]}  {channel["state"]}  deposit {Words.Ton(channel["deposit_nanoton"], 6)}  spent {Words.Ton(channel["spent_nanoton"])}  vouchered {Words.Ton(channel["vouchered_nanoton"])}  at risk {Words.Ton(channel["at_risk_nanoton"])}  {channel["next_step"]}");
        }

        yield return ("HISTORY", d["history"] is JsonObject h ? History(h) : "nothing asked of it yet");
    }

    private static string History(JsonObject h)
    {
        string reasons = string.Join(", ", h["failures_by_reason"]!.AsObject().Select(r => $"{r.Key} {r.Value}"));
        return $"{h["answers"]} answers, {h["failures"]} failures{(reasons.Length > 0 ? $" ({reasons})" : "")}  reliability {Words.Number(h["reliability"], "0.0%")}  TTFT {Words.Number(h["ttft_ms"], "0", " ms")}  {Words.Number(h["tokens_per_second"], "0.0", " tok/s")}";
    }

    private static string Text(JsonNode? value) => value is null || value.ToString().Length == 0 ? "-" : Words.OneLine(value.ToString());
}
