using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Protocol.Ton;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Money by the command line: previews before anything, statements that add up, errors that say what to type.</summary>
public sealed class MoneyCommandTests
{
    private CocoonNetwork _network = null!;

    private CocoonNode Provider { get; set; } = null!;

    private CocoonNode Client { get; set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        _network = await CocoonNetwork.StartAsync(limit.Token);
        Task<CocoonNode> provider = _network.StartProviderAsync("provider", 0.04m, 0.16m, limit.Token);
        Task<CocoonNode> client = _network.StartClientAsync("client", CocoonNetwork.Ton, limit.Token);
        (Provider, Client) = (await provider, await client);
        await CocoonNetwork.WaitForOffersAsync(Client, limit.Token, Provider);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (_network is not null)
        {
            await _network.DisposeAsync();
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Channel_OpenedAskedClaimedAndShown_AddsUpToTheNanoton(CancellationToken cancellationToken)
    {
        CocoonNode client = Client;
        string[] open = ["channels", "open", Provider.PeerId, "--deposit", "0.1"];

        CommandResult unconfirmed = await RunAsync(client, cancellationToken, open);
        JsonObject preview = await ReadAsync(client, cancellationToken, [.. open, "--dry-run"]);
        Assert.That((await client.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray(), Is.Empty, "a preview opens nothing");
        JsonObject opened = await ReadAsync(client, cancellationToken, [.. open, "--yes"]);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Once.", Provider.PeerId), cancellationToken);
        JsonObject exported = await ReadAsync(Provider, cancellationToken, "channels", "export", "-");
        JsonObject claimed = await ReadAsync(Provider, cancellationToken, "channels", "claim", (string)opened["channel"]!, "--yes");
        JsonObject shown = await ReadAsync(client, cancellationToken, "channels", "show", (string)opened["channel"]!);
        JsonObject wallet = await ReadAsync(client, cancellationToken, "wallet", "balance");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((unconfirmed.ExitCode, unconfirmed.Error.Contains("--yes", StringComparison.Ordinal)), Is.EqualTo((2, true)), unconfirmed.Error);
            Assert.That(Amount(preview, "fees_nanoton"), Is.InRange(1_500_000UL, 5_000_000UL));
            Assert.That(answer.ErrorText, Is.Empty);
            Assert.That(answer.Channel, Is.EqualTo((string)opened["channel"]!), "a channel opened by hand is used");
            Assert.That(exported["vouchers"]!.AsArray().Any(v => (string)v!["total_nanoton"]! == answer.Cocoon!["voucher_total_nanoton"]!.ToString()), Is.True);
            Assert.That(Amount(claimed, "paid_nanoton"), Is.EqualTo(answer.VoucherTotal));
            Assert.That((bool)shown["exact"]!, Is.True, shown["checks"]!.ToJsonString());
            Assert.That(shown["checks"]!.AsArray().Select(c => (string?)c!["unexplained_nanoton"]), Is.All.EqualTo("0"));
            Assert.That((string)shown["money"]!["redeemed_nanoton"]!, Is.EqualTo((string)claimed["paid_nanoton"]!));
            Assert.That((string)wallet["rent_nanoton"]!, Is.EqualTo("10000000"));
            Assert.That((string)shown["money"]!["wallet_after_nanoton"]!, Is.EqualTo((string)wallet["balance_nanoton"]!));
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Send_WithAComment_ArrivesAndCostsWhatThePreviewSaid(CancellationToken cancellationToken)
    {
        string to = (string)(await ReadAsync(Client, cancellationToken, "wallet", "balance"))["address"]!;
        JsonObject before = await ReadAsync(Provider, cancellationToken, "wallet", "balance");
        JsonObject preview = await ReadAsync(Provider, cancellationToken, "wallet", "send", to, "0.01", "--comment", "for tea", "--dry-run");
        JsonObject sent = await ReadAsync(Provider, cancellationToken, "wallet", "send", to, "0.01", "--comment", "for tea", "--yes");
        JsonObject after = await ReadAsync(Provider, cancellationToken, "wallet", "balance");
        ulong cost = Amount(before, "balance_nanoton") - Amount(after, "balance_nanoton") - 10_000_000;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((string)sent["amount_nanoton"]!, Is.EqualTo("10000000"));
            Assert.That(cost, Is.Positive.And.LessThanOrEqualTo(Amount(preview, "fees_nanoton")));
        }
    }

    /// <summary>A mistyped endpoint would show the money of one network as that of another.</summary>
    [Test, CancelAfter(60_000)]
    public async Task Commands_ForAnotherNetworkThanTheServers_ReadAndSendNothing(CancellationToken cancellationToken)
    {
        using TemporaryDirectory folder = new();
        string data = folder.File("testnet");
        string[] chain = ["--ton", _network.Devnet.ApiUrl.ToString(), "--data", data, "--network", "testnet"];
        CommandResult made = await CocoonProgram.RunAsync(cancellationToken, "wallet", "new", "--no-words", "--network", "testnet", "--data", data);
        CommandResult balance = await CocoonProgram.RunAsync(cancellationToken, ["wallet", "balance", .. chain]);
        CommandResult sent = await CocoonProgram.RunAsync(cancellationToken, ["registry", "deploy", "--yes", .. chain]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(made.ExitCode, Is.Zero, made.Error);
            Assert.That((balance.ExitCode, sent.ExitCode), Is.EqualTo((5, 5)), balance.Error + sent.Error);
            Assert.That(balance.Error, Does.Contain("the servers speak for devnet (global id -777), not for testnet"));
            Assert.That(sent.Error, Does.Contain("the servers speak for devnet (global id -777), not for testnet"));
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Send_OfAll_LeavesNothingAndTheBalanceIsSeenWithoutANode(CancellationToken cancellationToken)
    {
        CocoonNode leaving = await _network.StartClientAsync("leaving", CocoonNetwork.Ton, cancellationToken);
        string to = (string)(await ReadAsync(Client, cancellationToken, "wallet", "balance"))["address"]!;
        JsonObject preview = await ReadAsync(leaving, cancellationToken, "wallet", "send", to, "all", "--dry-run");
        JsonObject sent = await ReadAsync(leaving, cancellationToken, "wallet", "send", to, "all", "--yes");
        JsonObject after = await ReadAsync(leaving, cancellationToken, "wallet", "balance");
        await leaving.StopAsync();
        JsonObject offline = await ReadAsync(leaving, cancellationToken, "wallet", "balance", "--ton", _network.Devnet.ApiUrl.ToString());
        CommandResult forPeople = await RunAsync(leaving, cancellationToken, "wallet", "--ton", _network.Devnet.ApiUrl.ToString());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Amount(after, "balance_nanoton"), Is.Zero);
            Assert.That(Amount(sent, "amount_nanoton"), Is.GreaterThanOrEqualTo(Amount(preview, "value_nanoton")).And.LessThan(CocoonNetwork.Ton));
            Assert.That((string)offline["balance_nanoton"]!, Is.EqualTo("0"));
            Assert.That(offline["tied_up_nanoton"], Is.Null, "what is in channels only the node knows");
            Assert.That((forPeople.ExitCode, forPeople.Output.Contains("BALANCE", StringComparison.Ordinal)), Is.EqualTo((0, true)), forPeople.Error);
        }
    }

    [Test, CancelAfter(90_000)]
    public async Task Ask_BeyondTheLimitOfARequest_IsRefusedBeforeAChannelIsPaidFor(CancellationToken cancellationToken)
    {
        CocoonNode careful = await _network.StartClientAsync("careful", CocoonNetwork.Ton, cancellationToken, options: ["--limit-request", "0.000005"]);
        await CocoonNetwork.WaitForOffersAsync(careful, cancellationToken, Provider);
        CommandResult refused = await RunAsync(careful, cancellationToken, "chat", "Once.");
        JsonObject wallet = await ReadAsync(careful, cancellationToken, "wallet", "balance");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((refused.ExitCode, refused.Error.Contains("0.000005 TON", StringComparison.Ordinal)), Is.EqualTo((6, true)), refused.Error);
            Assert.That(Amount(wallet, "balance_nanoton"), Is.EqualTo(CocoonNetwork.Ton), "nothing left the wallet");
            Assert.That((await careful.GetAsync("/control/channels", cancellationToken))["channels"]!.AsArray(), Is.Empty);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Send_OfMoreThanThereIs_NamesWhatIsNeededWhatIsThereAndWhereToSendIt(CancellationToken cancellationToken)
    {
        JsonObject wallet = await ReadAsync(Client, cancellationToken, "wallet", "balance");
        CommandResult refused = await RunAsync(Client, cancellationToken, "wallet", "send", (string)wallet["address"]!, "5000", "--yes");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.ExitCode, Is.EqualTo(6));
            Assert.That(refused.Error, Does.Contain("5000.01 TON are needed").And.Contain($"holds {Words.Ton(wallet["balance_nanoton"])}.").And.Contain((string)wallet["address"]!).And.Contain("cocoon wallet balance"));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task BondAndRegistry_ByTheRunningNodesWallet_AreMadeShownAndChanged(CancellationToken cancellationToken)
    {
        // The chain is that of the running node; only who reads another one names an endpoint.
        CocoonNode owner = Provider;
        string[] ton = ["--ton", _network.Devnet.ApiUrl.ToString()];
        string[] little = ["--min-stake", "0.05"];
        CommandResult nothing = await RunAsync(owner, cancellationToken, ["bond", "stake", "0", "--yes", .. little]);
        CommandResult below = await RunAsync(owner, cancellationToken, ["bond", "stake", "0.05", "--yes"]);
        CommandResult none = await RunAsync(owner, cancellationToken, ["bond", "unbond", "--yes"]);
        JsonObject staked = await ReadAsync(owner, cancellationToken, ["bond", "stake", "0.05", "--yes", .. little]);
        JsonObject bond = await ReadAsync(owner, cancellationToken, ["bond", "show", .. little]);
        await ReadAsync(owner, cancellationToken, ["bond", "publish", "1", new string('5', 64), "--yes", .. little]);
        CommandResult older = await RunAsync(owner, cancellationToken, ["bond", "publish", "1", new string('6', 64), "--yes", .. little]);
        CommandResult bonded = await RunAsync(owner, cancellationToken, ["bond", "withdraw", "--yes", .. little]);
        await ReadAsync(owner, cancellationToken, ["bond", "unbond", "--yes", .. little]);
        JsonObject unbonding = await ReadAsync(owner, cancellationToken, ["bond", "show", .. ton, .. little]);
        CommandResult forPeople = await RunAsync(owner, cancellationToken, ["bond", "show", .. little]);
        string funds = (string)(await ReadAsync(owner, cancellationToken, "wallet", "balance"))["balance_nanoton"]!;
        CommandResult nobody = await RunAsync(owner, cancellationToken, "bond", "show", "--ton", "http://127.0.0.1:1/api/v2");
        CommandResult tooEarly = await RunAsync(owner, cancellationToken, ["bond", "withdraw", "--yes", .. little]);
        string fundsAfter = (string)(await ReadAsync(owner, cancellationToken, "wallet", "balance"))["balance_nanoton"]!;
        await ReadAsync(owner, cancellationToken, ["bond", "rebond", "--yes", .. little]);
        JsonObject again = await ReadAsync(owner, cancellationToken, ["bond", "show", .. little]);

        string registry = (string)(await ReadAsync(owner, cancellationToken, ["registry", "deploy", "--time-lock", "600", "--yes"]))["address"]!;
        string model = new('a', 64), other = new('b', 64);
        await ReadAsync(owner, cancellationToken, ["registry", "propose", registry, "put-model", model, "--yes"]);
        await ReadAsync(owner, cancellationToken, ["registry", "revoke", registry, "model", other, "--yes"]);
        CommandResult early = await RunAsync(owner, cancellationToken, ["registry", "apply", registry, "0", "--yes"]);
        CommandResult stranger = await RunAsync(Client, cancellationToken, ["registry", "revoke", registry, "model", other, "--yes"]);
        await ReadAsync(owner, cancellationToken, ["registry", "propose", registry, "put-model", new string('c', 64), "--yes"]);
        await ReadAsync(owner, cancellationToken, ["registry", "cancel", registry, "1", "--yes"]);
        JsonArray waiting = (await ReadAsync(owner, cancellationToken, ["registry", "list", registry]))["entries"]!.AsArray();
        await _network.Devnet.AdvanceAsync(601);
        await ReadAsync(owner, cancellationToken, ["registry", "apply", registry, "0", "--yes"]);
        JsonArray entries = (await ReadAsync(owner, cancellationToken, ["registry", "list", registry]))["entries"]!.AsArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((bool)staked["succeeded"]!, Is.True);
            Assert.That((nothing.ExitCode, below.ExitCode, none.ExitCode, older.ExitCode, bonded.ExitCode), Is.EqualTo((2, 2, 4, 6, 6)), nothing.Error + below.Error + none.Error + older.Error + bonded.Error);
            Assert.That(below.Error, Does.Contain("0.05 TON").And.Contain("10 TON").And.Contain("--min-stake"));
            Assert.That(fundsAfter, Is.EqualTo(funds), "nothing is paid for what is known to be refused");
            Assert.That((uint)unbonding["unlock_at"]!, Is.Positive, "machines get the number");
            Assert.That(forPeople.Output, Does.Match(@"unlock_at +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(in (6d23h|7d00h)\)"));
            Assert.That(tooEarly.Error, Does.Contain("too early").And.Match(@"from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, in (6d23h|7d00h)"));
            Assert.That((nobody.ExitCode, nobody.Error.Contains("--ton", StringComparison.Ordinal)), Is.EqualTo((5, true)), nobody.Error);
            Assert.That(((string)bond["state"]!, (string)bond["peer_id"]!), Is.EqualTo(("bonded", owner.PeerId)));
            Assert.That((string)unbonding["state"]!, Is.EqualTo("unbonding"));
            Assert.That((tooEarly.ExitCode, (string)again["state"]!), Is.EqualTo((6, "bonded")), tooEarly.Error);
            Assert.That(waiting.Select(e => $"{e!["list"]} {e["state"]}"), Is.EquivalentTo(new[] { "model revoked", "pending waits" }));
            Assert.That(entries.Select(e => $"{e!["list"]} {e["state"]}"), Is.EquivalentTo(new[] { "model revoked", "model listed" }));
            Assert.That((early.ExitCode, early.Error.Contains("time lock", StringComparison.Ordinal)), Is.EqualTo((6, true)), early.Error);
            Assert.That(early.Error, Does.Contain("too early").And.Contain(" UTC, in "));
            Assert.That((stranger.ExitCode, stranger.Error.Contains("admin", StringComparison.Ordinal)), Is.EqualTo((6, true)), stranger.Error);
        }
    }

    /// <summary>As an owner does it: stake, name the stake, serve. The client reads it on the chain and says so.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Stake_NamedByAProvider_IsReadByItsClient(CancellationToken cancellationToken)
    {
        CocoonNode first = await _network.StartProviderAsync("staked", 0.05m, 0.2m, cancellationToken);
        await _network.Devnet.FaucetAsync(await CocoonNetwork.WalletAsync(first, cancellationToken), 11 * CocoonNetwork.Ton);
        JsonObject staked = await ReadAsync(first, cancellationToken, "bond", "stake", "10", "--yes");
        string bond = (string)(await ReadAsync(first, cancellationToken, "bond", "show"))["address"]!;
        await first.StopAsync();
        CocoonNode provider = await _network.StartProviderAsync("staked", 0.05m, 0.2m, cancellationToken, options: ["--bond", bond]);
        JsonNode offer = await Eventually.GetAsync(
            "the client has read the stake",
            async () => (await Client.GetAsync("/control/offers", cancellationToken))["offers"]!.AsArray().FirstOrDefault(o => (string)o!["peer"]! == provider.PeerId && o["bond"] is not null),
            TimeSpan.FromSeconds(40), cancellationToken);
        await provider.StopAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((bool)staked["succeeded"]!, Is.True);
            Assert.That(TonAddress.Parse((string)offer["bond"]!), Is.EqualTo(TonAddress.Parse(bond)));
            Assert.That(provider.PeerId, Is.EqualTo(first.PeerId));
            Assert.That(provider.LogTail(), Does.Contain($"The stake {bond} is this node's"));
        }
    }

    private static async Task<JsonObject> ReadAsync(CocoonNode node, CancellationToken cancellationToken, params string[] command)
    {
        CommandResult result = await RunAsync(node, cancellationToken, command is ["channels", "export", ..] ? command : [.. command, "-o", "json"]);
        Assert.That(result.ExitCode, Is.Zero, $"{string.Join(' ', command)}: {result.Error}");
        return JsonNode.Parse(result.Output)!.AsObject();
    }

    private static Task<CommandResult> RunAsync(CocoonNode node, CancellationToken cancellationToken, params string[] command) =>
        CocoonProgram.RunAsync(cancellationToken, [.. command, "--data", node.DataDirectory]);

    private static ulong Amount(JsonObject document, string field) => ulong.Parse((string)document[field]!, System.Globalization.CultureInfo.InvariantCulture);
}
