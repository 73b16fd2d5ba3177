using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon keys</c>: API keys of the light client, each with its own limits.</summary>
internal static class KeysCommand
{
    private static readonly Column[] Columns =
    [
        new("id", "KEY"),
        new("name", "NAME", r => Words.Printable(r["name"]!.ToString())),
        new("tiers", "TIERS", r => r["tiers"] is JsonArray { Count: > 0 } tiers ? string.Join(',', tiers.Select(t => t!.ToString())) : "-"),
        new("limit_nanoton", "LIMIT", r => Words.Ton(r["limit_nanoton"]), IsRight: true),
        new("daily_limit_nanoton", "PER DAY", r => Words.Ton(r["daily_limit_nanoton"]), IsRight: true),
        new("spent_nanoton", "SPENT", r => Words.Ton(r["spent_nanoton"]), IsRight: true),
        new("spent_today_nanoton", "TODAY", r => Words.Ton(r["spent_today_nanoton"]), IsRight: true),
        new("requests", "REQUESTS", IsRight: true),
        new("created_at", "CREATED", IsHidden: true),
    ];

    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        RowOptionSet rows = new();
        Command command = new("keys", "API keys of this client: once there is one, applications need one\n\nExample: cocoon keys new telegram-bot --limit 5 --daily 1") { data };
        rows.AddTo(command);
        command.Run((parse, cancellationToken) => ListAsync(parse.GetValue(data)!, rows.Read(parse), cancellationToken));
        command.Subcommands.Add(BuildList());
        command.Subcommands.Add(BuildNew());
        command.Subcommands.Add(BuildRemove());
        return command;
    }

    private static Command BuildList()
    {
        Option<string> data = CommonOptions.Data();
        RowOptionSet rows = new();
        Command command = new("list", "The keys, their limits and what they spent\n\nExample: cocoon keys list -o json") { data };
        rows.AddTo(command);
        command.Run((parse, cancellationToken) => ListAsync(parse.GetValue(data)!, rows.Read(parse), cancellationToken));
        return command;
    }

    private static async Task<int> ListAsync(string data, RowOptions rows, CancellationToken cancellationToken)
    {
        using ControlClient client = new(data);
        RowWriter.Write(await client.GetAsync("/control/keys", cancellationToken), "keys", Columns, rows, Console.Out);
        return ExitCode.Ok;
    }

    private static Command BuildNew()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Argument<string> name = new("name") { Description = "What the key is for" };
        Option<TonAmount?> limit = TonAmount.Option("--limit", "TON that the key may spend in all");
        Option<TonAmount?> daily = TonAmount.Option("--daily", "TON that the key may spend per day (UTC)");
        Option<string?> tiers = new("--tiers") { Description = "Tiers that may answer (cc-gpu, cc-cpu, open); default: what the client allows", HelpName = "TIER,…" };
        Command command = new("new", "Make a key; its secret is shown once\n\nExample: cocoon keys new telegram-bot --limit 5 --daily 1 --tiers cc-gpu,cc-cpu") { name, data, output, limit, daily, tiers };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync(
                "/control/keys",
                new JsonObject
                {
                    ["name"] = parse.GetValue(name),
                    ["tiers"] = new JsonArray([.. (parse.GetValue(tiers) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(t => JsonValue.Create(t))]),
                    ["limit_nanoton"] = Nanoton(parse.GetValue(limit)),
                    ["daily_limit_nanoton"] = Nanoton(parse.GetValue(daily)),
                },
                cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), d => [("KEY", d["secret"]!.ToString()), ("NAME", Words.Printable(d["key"]!["name"]!.ToString()))], Console.Out);
            if (parse.GetValue(output) == OutputFormat.Table)
            {
                await Console.Error.WriteLineAsync("Keep it now: only its digest is stored. Applications need a key from here on.");
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildRemove()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Argument<string> key = new("key") { Description = "Id or name" };
        Command command = new("rm", "Remove a key; what runs under it goes on to its end. With the last one gone, applications need none\n\nExample: cocoon keys rm telegram-bot") { key, data, output };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync($"/control/keys/{ControlClient.Segment(parse.GetValue(key)!, "key")}/remove", [], cancellationToken);
            int left = document["keys"]!.AsArray().Count;
            RowWriter.WriteObject(document, parse.GetValue(output), _ => [("KEYS LEFT", left.ToString(CultureInfo.InvariantCulture))], Console.Out);
            if (left == 0)
            {
                await Console.Error.WriteLineAsync("warning: no key is left, so the API asks for none from now on: every program on this machine may ask, and spend this wallet's money");
                await Console.Error.WriteLineAsync("  fix  if that is not meant, make one at once: cocoon keys new NAME");
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static string? Nanoton(TonAmount? limit) => limit switch
    {
        null => null,
        { Nanoton: > 0 } amount => amount.ToNanotonText(),
        _ => throw new CliException(ExitCode.Usage, "that is no limit", "an amount above zero is needed", "For example: --limit 5"),
    };
}
