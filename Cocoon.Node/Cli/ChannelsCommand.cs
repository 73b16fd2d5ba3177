using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon channels</c>: payment channels in and out, and how to end or redeem them.</summary>
internal static class ChannelsCommand
{
    private static readonly Column[] Columns =
    [
        new("address", "CHANNEL") { IsKey = true, IsId = true },
        new("channel", "ID", IsHidden: true),
        new("peer", "PEER") { IsId = true },
        new("counterparty", "WITH", IsHidden: true) { IsId = true },
        new("direction", "DIR"),
        new("state", "STATE"),
        new("deposit_nanoton", "DEPOSIT", r => Words.Ton(r["deposit_nanoton"], 6), IsRight: true),
        new("spent_nanoton", "SPENT", r => Words.Ton(r["spent_nanoton"]), IsRight: true),
        new("vouchered_nanoton", "VOUCHERED", r => Words.Ton(r["vouchered_nanoton"]), IsRight: true),
        new("vouchers", "VOUCHERS", IsRight: true, IsHidden: true),
        new("redeemed_nanoton", "REDEEMED", r => Words.Ton(r["redeemed_nanoton"]), IsRight: true),
        new("at_risk_nanoton", "AT RISK", r => Words.Ton(r["at_risk_nanoton"]), IsRight: true),
        new("fees_nanoton", "FEES", r => Words.Ton(r["fees_nanoton"]), IsRight: true, IsHidden: true),
        new("live_sessions", "LIVE", IsRight: true, IsHidden: true),
        new("expires_at", "EXPIRES", IsHidden: true),
        new("settle_tx", "SETTLED BY", IsHidden: true) { IsId = true },
        new("next_step", "NEXT STEP"),
    ];

    public static Command Build()
    {
        Option<string> data = CommonOptions.Data();
        RowOptionSet rows = new();
        Command command = new("channels", "Payment channels of this node\n\nExample: cocoon channels --filter state=open") { data };
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            return await rows.PrintAsync(parse, t => client.GetAsync("/control/channels", ListCommand.Wait, t), "channels", Columns, null, cancellationToken);
        });
        command.Subcommands.Add(BuildShow());
        command.Subcommands.Add(BuildAction(
            "close",
            "End a channel together with its provider: it gets what is owed, the rest comes back",
            "close the channel cooperatively: one transaction, about 0.0012 TON of fees; the opening window (60 s of chain time) must be over",
            d =>
            [
                ("CHANNEL", $"{d["channel"]}"),
                ("PAID", $"{Words.Ton(d["claimed_total_nanoton"])} TON to the provider"),
                ("REFUNDED", $"{Words.Ton(d["refunded_nanoton"])} TON"),
                ("FEES", $"{Words.Ton(d["fees_nanoton"])} TON"),
                ("TRANSACTION", $"{d["settle_tx"]}"),
            ]));
        command.Subcommands.Add(BuildAction(
            "claim",
            "Redeem the vouchers of a channel now (providers)",
            "claim on the chain: about 0.001 TON of fees, paid by this wallet",
            d => [("CHANNEL", $"{d["channel"]}"), ("PAID", $"{Words.Ton(d["paid_nanoton"])} TON"), ("LEFT", $"{Words.Ton(d["left_nanoton"])} TON"), ("RESULT", $"{d["words"]}")]));
        return command;
    }

    private static Command BuildShow()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Argument<string> id = new("channel") { Description = "Address, id, or a unique beginning of the id" };
        Command command = new("show", "Everything about one channel") { id, data, output };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.GetAsync("/control/channels", cancellationToken);
            string wanted = parse.GetValue(id)!;
            JsonObject[] found = [.. document["channels"]!.AsArray().OfType<JsonObject>().Where(c =>
                c["address"]!.ToString().StartsWith(wanted, StringComparison.Ordinal) || c["channel"]!.ToString().StartsWith(wanted, StringComparison.OrdinalIgnoreCase))];
            JsonObject channel = found.Length == 1
                ? found[0]
                : throw new CliException(ExitCode.NotFound, found.Length == 0 ? $"there is no channel '{wanted}' here" : $"'{wanted}' names {found.Length} channels", null, "See 'cocoon channels'.");
            RowWriter.WriteObject(channel, parse.GetValue(output), d => d.Select(e => (e.Key, e.Value?.ToString() ?? "-")), Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildAction(string verb, string description, string preview, Func<JsonObject, IEnumerable<(string Label, string Value)>> lines)
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Option<bool> yes = CommonOptions.Yes();
        Argument<string> id = new("channel") { Description = "Address, id, or a unique beginning of the id" };
        Command command = new(verb, $"{description}\n\nExample: cocoon channels {verb} 5f3a --yes") { id, data, output, yes };
        command.Run(async (parse, cancellationToken) =>
        {
            Confirmation.Ask(preview, parse.GetValue(yes));
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync($"/control/channels/{Uri.EscapeDataString(parse.GetValue(id)!)}/{verb}", [], cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), lines, Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }
}
