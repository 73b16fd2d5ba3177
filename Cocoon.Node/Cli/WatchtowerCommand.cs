using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon watchtower</c>: claims for a provider that is away, from a file that it exported.</summary>
internal static class WatchtowerCommand
{
    public static Command Build()
    {
        WalletDesk desk = new();
        Argument<string> file = new("file") { Description = "Written by 'cocoon channels export'" };
        Option<int> interval = new Option<int>("--interval") { Description = "Seconds between two looks", DefaultValueFactory = _ => 30, HelpName = "SECONDS" }.Within(1, 3_600);
        Option<bool> once = new("--once") { Description = "Look once and end" };
        Option<bool> now = new("--now") { Description = "Claim all that is due, not only what is in danger" };
        Command command = new(
            "watchtower",
            "Claim for a provider while it is away: its channels that close or expire are redeemed to its own payout address, gas comes from this wallet\n\n" +
            "Example: cocoon watchtower vouchers.json --network testnet --yes")
        {
            file, interval, once, now,
        };
        desk.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            byte[] exported = NamedFile.Read(parse.GetValue(file)!, WatchtowerFile.MaxBytes, "voucher file");
            NetworkProfile profile = await desk.ProfileAsync(parse, readsOnly: false, cancellationToken);
            IReadOnlyList<WatchedVoucher> vouchers = WatchtowerFile.Read(exported, profile);
            using HttpClient http = new();
            ITonClient client = WalletDesk.Client(http, profile);
            TonChannelChain chain = new(client, ownChain: profile.Name == Networks.Devnet.Name);
            if (desk.Chain.IsDryRun(parse))
            {
                Print(await new Watchtower(vouchers, chain, (_, _) => throw new InvalidOperationException("A preview sends nothing.")).PreviewAsync(parse.GetValue(now), cancellationToken));
                return ExitCode.Ok;
            }

            await Confirmation.AskAsync(
                $"watch {vouchers.Count} channels and claim for their provider when one closes or expires (about 0.0013 TON each, paid by this wallet)",
                parse.GetValue(desk.Chain.Yes),
                cancellationToken);
            await using ClaimSender sender = await desk.OpenSenderAsync(parse, profile, client, cancellationToken);
            Watchtower tower = new(vouchers, chain, sender.SendAsync);
            try
            {
                await WatchAsync(tower, parse.GetValue(now), parse.GetValue(once), TimeSpan.FromSeconds(parse.GetValue(interval)), cancellationToken);
            }
            catch (OperationCanceledException) when (!parse.GetValue(once) && cancellationToken.IsCancellationRequested)
            {
                await Console.Error.WriteLineAsync("no longer watching");
            }

            return ExitCode.Ok;
        });
        return command;
    }

    private static void Print(IReadOnlyList<WatchtowerEvent> events)
    {
        foreach (WatchtowerEvent seen in events)
        {
            Console.Out.WriteLine(new JsonObject
            {
                ["channel"] = seen.Channel.ToFriendly(bounceable: true),
                ["words"] = seen.Words,
                ["claimed_nanoton"] = seen.Claimed.ToString(System.Globalization.CultureInfo.InvariantCulture),
            }.ToJsonString());
        }
    }

    /// <summary>One JSON line per channel and look.</summary>
    private static async Task WatchAsync(Watchtower tower, bool now, bool once, TimeSpan interval, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(interval);
        do
        {
            try
            {
                Print(await tower.LookAsync(now, cancellationToken));
            }
            catch (TonException exception) when (!once)
            {
                await Console.Error.WriteLineAsync($"the chain does not answer, looking again in {interval.TotalSeconds:0} s: {exception.Message}");
            }
        }
        while (!once && !tower.IsDone && await timer.WaitForNextTickAsync(cancellationToken));
    }
}
