using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Payments;

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
        new("expires_at", "EXPIRES", r => Words.UnixTime(r["expires_at"]), IsHidden: true),
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
        command.Subcommands.Add(BuildOpen());
        command.Subcommands.Add(BuildTopUp());
        command.Subcommands.Add(BuildClose());
        command.Subcommands.Add(BuildClaim());
        command.Subcommands.Add(BuildExport());
        command.Subcommands.Add(BuildRestore());
        return command;
    }

    private static Command BuildShow()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Argument<string> id = Channel();
        Command command = new(
            "show", "One channel, every nanoTON of it: its numbers, its transactions on the chain, and whether they add up\n\nExample: cocoon channels show EQDb")
        {
            id, data, output,
        };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.GetAsync($"/control/channels/{ControlClient.Segment(parse.GetValue(id)!, "channel")}", cancellationToken);
            ChannelStatement.Write(document, parse.GetValue(output), Console.Out);
            return document["exact"]!.GetValue<bool>() ? ExitCode.Ok : ExitCode.CheckFailed;
        });
        return command;
    }

    private static Command BuildOpen()
    {
        OnChain chain = new();
        Argument<string> provider = new("provider") { Description = "Peer id of the provider, or a unique beginning or end of it" };
        Option<TonAmount> deposit = TonAmount.Option("--deposit", "TON that can be spent on it", new SpendOptions().Deposit);
        Option<bool> another = new("--another") { Description = "Also when there is an open channel to this provider" };
        Command command = new("open", "Open a channel to a provider now, instead of at the first request\n\nExample: cocoon channels open QeLQJ4 --deposit 0.5") { provider, deposit, another };
        chain.AddTo(command);
        command.Run((parse, cancellationToken) => chain.RunAsync(
            parse,
            "/control/channels/open",
            new JsonObject { ["provider"] = parse.GetValue(provider), ["deposit_nanoton"] = parse.GetValue(deposit).ToNanotonText(), ["another"] = parse.GetValue(another) },
            Opened,
            cancellationToken));
        return command;
    }

    private static Command BuildTopUp()
    {
        OnChain chain = new();
        Argument<string> id = Channel();
        Argument<TonAmount> amount = TonAmount.Argument("amount", "TON to add");
        Command command = new("topup", "Add to a channel's deposit\n\nExample: cocoon channels topup EQDb 0.3") { id, amount };
        chain.AddTo(command);
        command.Run((parse, cancellationToken) => chain.RunAsync(
            parse,
            $"/control/channels/{ControlClient.Segment(parse.GetValue(id)!, "channel")}/topup",
            new JsonObject { ["amount_nanoton"] = parse.GetValue(amount).ToNanotonText() },
            Opened,
            cancellationToken));
        return command;
    }

    private static Command BuildClose()
    {
        OnChain chain = new();
        Argument<string> id = Channel();
        Option<bool> alone = new("--alone") { Description = "Without the provider: what it does not claim within the challenge comes back" };
        Command command = new("close", "End a channel: the provider gets what is owed, the rest comes back\n\nExample: cocoon channels close EQDb --yes") { id, alone };
        chain.AddTo(command);
        command.Run((parse, cancellationToken) => chain.RunAsync(
            parse,
            $"/control/channels/{ControlClient.Segment(parse.GetValue(id)!, "channel")}/close",
            new JsonObject { ["alone"] = parse.GetValue(alone) },
            d => d["claimable_until"] is { } until
                ? [("CHANNEL", $"{d["channel"]}"), ("CLOSES AT", Words.UnixTime(until)), ("", $"{d["words"]}")]
                :
                [
                    ("CHANNEL", $"{d["channel"]}"),
                    ("PAID", $"{Words.Ton(d["claimed_total_nanoton"])} TON to the provider"),
                    ("REFUNDED", $"{Words.Ton(d["refunded_nanoton"])} TON"),
                    ("FEES", $"{Words.Ton(d["fees_nanoton"])} TON"),
                    ("TRANSACTION", $"{d["settle_tx"]}"),
                ],
            cancellationToken));
        return command;
    }

    private static Command BuildClaim()
    {
        OnChain chain = new();
        Argument<string> id = new("channel") { Description = "Address, id, a unique beginning of either, or 'all' (up to 255 in one message)" };
        Command command = new("claim", "Redeem vouchers now (providers)\n\nExample: cocoon channels claim all --yes") { id };
        chain.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            if (await chain.AskAndPostAsync(parse, $"/control/channels/{ControlClient.Segment(parse.GetValue(id)!, "channel")}/claim", [], cancellationToken) is not { } claim)
            {
                return ExitCode.Ok;
            }

            chain.Print(parse, claim, d =>
            [
                ("CHANNEL", $"{d["channel"]}"),
                ("PAID", $"{Words.Ton(d["paid_nanoton"])} TON"),
                ("LEFT", $"{Words.Ton(d["left_nanoton"])} TON"),
                ("FEES", $"{Words.Ton(d["fees_nanoton"])} TON for the wallet's own transaction; messages and receipt are in 'channels show'"),
                ("RESULT", $"{d["words"]}"),
            ]);
            return claim["paid_nanoton"]?.GetValue<string>() == "0" ? ExitCode.Payment : ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildRestore()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new(
            "restore", "Find this wallet's channels again, on the chain and at their providers, when only its words are left\n\nExample: cocoon channels restore")
        {
            data, output,
        };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.PostAsync("/control/restore/channels", [], cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(output), Restored, Console.Out);
            return document["waiting"]!.AsArray().Count == 0 ? ExitCode.Ok : ExitCode.CheckFailed;
        });
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Restored(JsonObject document)
    {
        foreach (JsonObject channel in document["restored"]!.AsArray().OfType<JsonObject>())
        {
            yield return ("RESTORED", $"{channel["channel"]}  deposit {Words.Ton(channel["deposit_nanoton"])} TON, {Words.Ton(channel["vouchered_nanoton"])} TON vouched, with {channel["peer"]}");
        }

        foreach (JsonNode? channel in document["waiting"]!.AsArray())
        {
            yield return ("WAITING", $"{channel}  is open on the chain; its provider is not heard here, or does not answer: try again when it is there");
        }

        if (document["restored"]!.AsArray().Count + document["waiting"]!.AsArray().Count == 0)
        {
            yield return ("", "the chain shows no open channel of this wallet that is not in the books");
        }
    }

    private static Command BuildExport()
    {
        Option<string> data = CommonOptions.Data();
        Argument<string> file = new("file") { Description = "File to write (mode 0600), or - for standard output" };
        Command command = new(
            "export", "Write the last vouchers for a watchtower, which claims for this provider while it is away\n\nExample: cocoon channels export vouchers.json")
        {
            file, data,
        };
        command.Run(async (parse, cancellationToken) =>
        {
            using ControlClient client = new(parse.GetValue(data)!);
            JsonObject document = await client.GetAsync("/control/export/channels", cancellationToken);
            string path = parse.GetValue(file)!;
            if (path == "-")
            {
                Console.Out.WriteLine(document.ToJsonString());
                return ExitCode.Ok;
            }

            Storage.PrivateFile.Write(Path.GetFullPath(path), System.Text.Encoding.UTF8.GetBytes(document.ToJsonString()));
            Console.Error.WriteLine($"{document["vouchers"]!.AsArray().Count} vouchers written to {path}; watch them with 'cocoon watchtower {path}'");
            return ExitCode.Ok;
        });
        return command;
    }

    private static Argument<string> Channel() => new("channel") { Description = "Address, id, or a unique beginning of either" };

    private static IEnumerable<(string Label, string Value)> Opened(JsonObject d) =>
    [
        ("CHANNEL", $"{d["channel"]}"),
        ("PEER", $"{d["peer"]}"),
        ("DEPOSIT", $"{Words.Ton(d["deposit_nanoton"])} TON can be spent over its life"),
        ("EXPIRES", $"{Words.UnixTime(d["expires_at"])}; challenge {d["challenge_seconds"]} s"),
    ];
}
