using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon wallet</c>: the node's one wallet.</summary>
internal static class WalletCommand
{
    public static Command Build()
    {
        WalletDesk desk = new();
        Command command = new("wallet", "The wallet of this node: address and balance\n\nExample: cocoon wallet -o json") { desk.Chain.Output };
        desk.AddReadingTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            RowWriter.WriteObject(await desk.BalanceAsync(parse, cancellationToken), parse.GetValue(desk.Chain.Output), Lines, Console.Out);
            return ExitCode.Ok;
        });
        command.Subcommands.Add(BuildNew());
        command.Subcommands.Add(BuildImport());
        command.Subcommands.Add(BuildShow());
        command.Subcommands.Add(BuildBalance());
        command.Subcommands.Add(BuildBackup());
        command.Subcommands.Add(BuildSend());
        return command;
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        yield return ("NETWORK", d["network"]!.ToString());
        yield return ("ADDRESS", d["address"]!.ToString());
        yield return ("BALANCE", $"{Words.Ton(d["balance_nanoton"])} TON");
        if (d["tied_up_nanoton"] is null)
        {
            yield return ("CHANNELS", "known to the node alone, and none runs here");
            yield break;
        }

        yield return ("IN CHANNELS", $"{Words.Ton(d["tied_up_nanoton"])} TON of ours that can be spent or come back, and {Words.Ton(d["rent_nanoton"])} TON of rent, which comes back when they close");
        yield return ("REDEEMABLE", $"{Words.Ton(d["redeemable_nanoton"])} TON vouched to us and not claimed");
        if (d["spent_today_nanoton"] is { } spent)
        {
            yield return ("SPENT TODAY", $"{Words.Ton(spent)} TON vouched (UTC)");
        }
    }

    private static Command BuildNew()
    {
        (Option<string> data, Option<OutputFormat> output, Option<string> network, Option<string?> passphrase) = Offline();
        Option<bool> hide = new("--no-words") { Description = "Do not print the 24 words; 'cocoon wallet backup' shows them later" };
        Command command = new("new", "Make a wallet from fresh words\n\nExample: cocoon wallet new --network devnet") { data, output, network, passphrase, hide };
        command.Run((parse, _) =>
        {
            using DataDirectory directory = DataDirectory.Open(parse.GetValue(data)!);
            NetworkProfile profile = Networks.Named(parse.GetValue(network)!);
            (WalletKey wallet, Protocol.Ton.Wallets.Mnemonic words) = Guard(() =>
                new WalletStore(directory, TimeProvider.System).Create(profile, WalletOpening.Passphrase(parse.GetValue(passphrase))));
            using (wallet)
            {
                Print(wallet.Address, profile, parse.GetValue(output));
                if (!parse.GetValue(hide))
                {
                    Console.Error.WriteLine("Write these 24 words down and keep them offline; they are the wallet:");
                    Console.Error.WriteLine(words.RevealWords());
                }
            }

            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static Command BuildImport()
    {
        (Option<string> data, Option<OutputFormat> output, Option<string> network, Option<string?> passphrase) = Offline();
        Command command = new("import", "Take a wallet over: 24 words on standard input\n\nExample: cocoon wallet import < words.txt") { data, output, network, passphrase };
        command.Run(async (parse, cancellationToken) =>
        {
            using DataDirectory directory = DataDirectory.Open(parse.GetValue(data)!);
            NetworkProfile profile = Networks.Named(parse.GetValue(network)!);
            string words = (await Console.In.ReadToEndAsync(cancellationToken)).Trim();
            using WalletKey wallet = Guard(() => new WalletStore(directory, TimeProvider.System).Import(profile, words, WalletOpening.Passphrase(parse.GetValue(passphrase))));
            Print(wallet.Address, profile, parse.GetValue(output));
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildShow()
    {
        Option<string> data = CommonOptions.Data();
        Option<OutputFormat> output = CommonOptions.Output();
        Command command = new("show", "Address and protection, without a running node") { data, output };
        command.Run((parse, _) =>
        {
            WalletFile file = WalletInfo.Read(parse.GetValue(data)!)
                ?? throw new CliException(ExitCode.NotFound, "there is no wallet here", null, "Make one with 'cocoon wallet new'.");
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["network"] = file.Network,
                ["address"] = TonAddress.Parse(file.Address).ToFriendly(bounceable: false),
                ["raw_address"] = file.Address,
                ["encrypted"] = file.IsEncrypted,
                ["backed_up"] = file.BackedUp,
            };
            RowWriter.WriteObject(document, parse.GetValue(output), d => d.Where(e => e.Key != "schema").Select(e => (e.Key, e.Value!.ToString())), Console.Out);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static Command BuildBackup()
    {
        Option<string> data = CommonOptions.Data();
        Option<string?> passphrase = new("--passphrase-file") { Description = "File with the wallet's passphrase", HelpName = "FILE" };
        Command command = new("backup", "Show the 24 words (the node must be stopped)") { data, passphrase };
        command.Run((parse, _) =>
        {
            using DataDirectory directory = DataDirectory.Open(parse.GetValue(data)!);
            string words = Guard(() => new WalletStore(directory, TimeProvider.System).Backup(WalletOpening.Passphrase(parse.GetValue(passphrase))));
            Console.Error.WriteLine("Whoever has these words has the money:");
            Console.Out.WriteLine(words);
            return Task.FromResult(ExitCode.Ok);
        });
        return command;
    }

    private static Command BuildBalance()
    {
        WalletDesk desk = new();
        Command command = new("balance", "What the wallet holds, and, of a node that runs, what is tied up or waits\n\nExample: cocoon wallet balance -o json") { desk.Chain.Output };
        desk.AddReadingTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            JsonObject document = await desk.BalanceAsync(parse, cancellationToken);
            RowWriter.WriteObject(document, parse.GetValue(desk.Chain.Output), Lines, Console.Out);
            return document["balance_nanoton"] is null ? ExitCode.Network : ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildSend()
    {
        OnChain chain = new();
        Argument<string> to = new("to") { Description = "Address to pay" };
        Argument<string> amount = new("amount") { Description = "TON, or 'all' for everything less the fees", HelpName = "TON|all" };
        amount.Validators.Add(RequireAmount);
        Option<string?> comment = new("--comment") { Description = "Text that the receiver sees; public on the chain", HelpName = "TEXT" };
        Command command = new("send", "Pay from this wallet\n\nExample: cocoon wallet send UQ… 1.5 --yes") { to, amount, comment };
        chain.AddTo(command);
        command.Run((parse, cancellationToken) =>
        {
            TypedAddress.Read(parse.GetValue(to));
            string text = parse.GetValue(amount)!;
            TonAmount ton = default;
            if (text != WalletActions.All && TonAmount.TryParse(text, out ton, out _) && ton.Nanoton == 0)
            {
                throw new CliException(ExitCode.Usage, "0 TON is no payment", "an amount above zero is needed", "For example: cocoon wallet send UQ… 1.5");
            }

            return chain.RunAsync(
                parse,
                "/control/wallet/send",
                new JsonObject { ["to"] = parse.GetValue(to), ["amount_nanoton"] = text == WalletActions.All ? text : ton.ToNanotonText(), ["comment"] = parse.GetValue(comment) },
                d => [("SENT", $"{Words.Ton(d["amount_nanoton"])} TON"), ("FEES", $"{Words.Ton(d["fees_nanoton"])} TON"), ("TRANSACTION", $"{d["transaction"]}")],
                cancellationToken);
        });
        return command;
    }

    private static void RequireAmount(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (text != WalletActions.All && !TonAmount.TryParse(text, out _, out string why))
        {
            result.AddError($"'{text}' is no amount of TON: {why} ({TypedNumber.NameOf(result)})");
        }
    }

    private static (Option<string> Data, Option<OutputFormat> Output, Option<string> Network, Option<string?> Passphrase) Offline() => (
        CommonOptions.Data(),
        CommonOptions.Output(),
        CommonOptions.Network("devnet, testnet or mainnet"),
        new Option<string?>("--passphrase-file") { Description = "File with a passphrase that encrypts the wallet", HelpName = "FILE" });

    private static void Print(TonAddress address, NetworkProfile network, OutputFormat format) => RowWriter.WriteObject(
        new JsonObject
        {
            ["schema"] = ControlJson.Schema,
            ["network"] = network.Name,
            ["address"] = address.ToFriendly(bounceable: false),
            ["raw_address"] = address.ToString(),
        },
        format,
        d => [("NETWORK", d["network"]!.ToString()), ("ADDRESS", d["address"]!.ToString())],
        Console.Out);

    private static T Guard<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (PaymentException exception)
        {
            throw CliException.Of(exception, "the wallet refused");
        }
    }
}
