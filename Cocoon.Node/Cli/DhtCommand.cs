using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon dht</c>: the routing table, and lookups as the node does them.</summary>
internal static class DhtCommand
{
    private static readonly Column[] TableColumns =
    [
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        new("common_prefix_length", "BITS NEAR", IsRight: true),
        new("connected", "CONNECTED", r => (bool?)r["connected"] == true ? "yes" : "no"),
        new("addresses", "ADDRESSES"),
        new("last_answer_age_seconds", "LAST ANSWER", r => Words.Age(r["last_answer_age_seconds"]), IsRight: true) { IsVolatile = true },
        new("age_seconds", "AGE", r => Words.Age(r["age_seconds"]), IsRight: true) { IsVolatile = true },
    ];

    private static readonly Column[] PeerColumns =
    [
        new("peer", "PEER") { IsKey = true, IsId = true },
        new("name", "NAME"),
        new("connected", "CONNECTED", r => (bool?)r["connected"] == true ? "yes" : "no"),
        new("addresses", "ADDRESSES", r => r["addresses"]!.AsArray().Count == 0 ? "-" : string.Join(' ', r["addresses"]!.AsArray().Select(a => a!.ToString()))),
    ];

    public static Command Build() => new("dht", "The distributed hash table: who is in our table, who knows whom, values")
    {
        ListCommand.Build("table", "Peers in the routing table\n\nExample: cocoon dht table --sort -common_prefix_length", "/control/dht/table", "peers", TableColumns),
        BuildLookup("find-peer", "peer", "Ask the network where a peer is\n\nExample: cocoon dht find-peer 12D3KooW…", "Peer id, part of it, or a name", "/control/dht/peer?peer="),
        BuildLookup("find-providers", "model", "Ask the network who provides a model\n\nExample: cocoon dht find-providers cocoon-guide", "Model name, model id, or a multihash in hexadecimal", "/control/dht/providers?key="),
        BuildGet(),
        BuildPut(),
    };

    /// <summary>A throwaway peer has to ask around for what models there are before it knows one by its name.</summary>
    private static readonly TimeSpan NewcomerWait = TimeSpan.FromSeconds(10);

    private static Option<string> Timeout() => new("--timeout") { Description = "Time for the lookup, at most 60s", DefaultValueFactory = _ => "15s" };

    private static string Limit(TimeSpan wait) => $"timeout_ms={(int)wait.TotalMilliseconds}";

    private static Command BuildLookup(string name, string argument, string description, string what, string path)
    {
        Argument<string> wanted = new(argument) { Description = what };
        Option<string> timeout = Timeout();
        NodeSource source = new();
        RowOptionSet rows = new();
        Command command = new(name, description) { wanted, timeout };
        source.AddTo(command);
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            TimeSpan wait = RowOptionSet.ParseInterval(parse.GetValue(timeout), timeout.Name);
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            string query = $"{path}{Uri.EscapeDataString(parse.GetValue(wanted)!)}&{Limit(wait)}";
            if (node.IsEphemeral)
            {
                query += $"&search_ms={(int)NewcomerWait.TotalMilliseconds}";
            }

            return await rows.PrintAsync(parse, t => node.Client.GetAsync(query, wait + ListCommand.Wait, t), "peers", PeerColumns, null, cancellationToken);
        });
        return command;
    }

    private static Command BuildGet()
    {
        Argument<string> key = new("key") { Description = "/cocoon/PEER/NAME, PEER/NAME, or a name of this node's own" };
        Option<string> timeout = Timeout();
        Option<OutputFormat> output = CommonOptions.Output();
        NodeSource source = new();
        Command command = new("get", "Read a value; only its owner can have placed it\n\nExample: cocoon dht get R9cSJ9/status") { key, timeout, output };
        source.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            TimeSpan wait = RowOptionSet.ParseInterval(parse.GetValue(timeout), timeout.Name);
            await using ObservedNode node = await source.OpenAsync(parse, cancellationToken);
            JsonObject document = await node.Client.GetAsync($"/control/dht/value?key={Uri.EscapeDataString(parse.GetValue(key)!)}&{Limit(wait)}", wait + ListCommand.Wait, cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildPut()
    {
        Argument<string> name = new("name") { Description = "Under which it is stored: /cocoon/<this node>/NAME" };
        Argument<string> value = new("value") { Description = "Text of at most 4096 bytes; it is public" };
        Option<bool> hex = new("--hex") { Description = "The value is hexadecimal" };
        Option<string> timeout = Timeout();
        Option<OutputFormat> output = CommonOptions.Output();
        Option<string> data = CommonOptions.Data();
        Command command = new("put", "Publish a value signed by this node, kept by strangers while this node runs\n\nExample: cocoon dht put status 'back at noon'") { name, value, hex, timeout, output, data };
        command.Run(async (parse, cancellationToken) =>
        {
            TimeSpan wait = RowOptionSet.ParseInterval(parse.GetValue(timeout), timeout.Name);
            using Control.ControlClient client = new(parse.GetValue(data)!);
            JsonObject request = new() { ["name"] = parse.GetValue(name), [parse.GetValue(hex) ? "hex" : "value"] = parse.GetValue(value) };
            JsonObject document = await client.PostAsync($"/control/dht/value?{Limit(wait)}", request, wait + ListCommand.Wait, cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), Lines, Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        yield return ("KEY", $"{d["key"]}");
        yield return ("OWNER", $"{d["owner"]}");
        yield return ("SEQUENCE", $"{d["sequence"]}");
        yield return ("VALUE", Words.OneLine($"{d["text"] ?? d["hex"]}"));
        if (d["stored_at"] is { } peers)
        {
            yield return ("STORED AT", $"{peers} peers");
        }

        yield return ("TOOK", Words.Number(d["took_ms"], "0", " ms"));
    }
}
