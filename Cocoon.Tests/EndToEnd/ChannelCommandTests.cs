using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Tests.Node.Storage;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>Channels by the command line, each step by a process of its own: topped up, closed alone, watched for a provider; every nanoton by <c>channels show</c>.</summary>
[Category("Chain")]
public sealed class ChannelCommandTests
{
    private const ulong Rent = 10_000_000;

    /// <summary>TON per 10⁶ tokens, so that one answer is worth the fee of its claim.</summary>
    private const decimal PriceOut = 12m;

    private const int UsageError = 2;
    private const int PaymentError = 6;

    private CocoonNetwork _network = null!;
    private CocoonNode _provider = null!;
    private int _clients;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(3));
        _network = await CocoonNetwork.StartAsync(limit.Token);
        _provider = await _network.StartProviderAsync("provider", 0.04m, PriceOut, limit.Token);
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
    public async Task TopUp_PreviewedAgreedAndShown_AddsExactlyWhatWasSaid(CancellationToken cancellationToken)
    {
        CocoonNode client = await NewClientAsync(cancellationToken);
        string channel = await OpenAsync(client, 0.1m, cancellationToken);
        string[] topUp = ["channels", "topup", channel, "0.05"];

        CommandResult unconfirmed = await RunAsync(client, cancellationToken, topUp);
        JsonObject preview = await ReadAsync(client, cancellationToken, [.. topUp, "--dry-run"]);
        JsonObject before = await ShowAsync(client, channel, cancellationToken);
        CommandResult second = await RunAsync(client, cancellationToken, "channels", "open", _provider.PeerId, "--deposit", "0.1", "--yes");
        JsonObject added = await ReadAsync(client, cancellationToken, [.. topUp, "--yes"]);
        JsonObject after = await ShowAsync(client, channel, cancellationToken);
        CommandResult tooMuch = await RunAsync(client, cancellationToken, "channels", "topup", channel, "500", "--yes");
        CommandResult nothing = await RunAsync(client, cancellationToken, "channels", "topup", channel, "0", "--yes");
        CommandResult unknown = await RunAsync(client, cancellationToken, "channels", "topup", "EQnone", "0.05", "--yes");
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Once.", _provider.PeerId), cancellationToken);
        JsonObject spent = await ShowAsync(client, channel, cancellationToken);
        ulong first = Amount(before["channel"]!, "deposit_nanoton"), grown = Amount(after["channel"]!, "deposit_nanoton") - first;
        ulong paid = Less(before["money"]!, after["money"]!, "wallet_after_nanoton"), value = Amount(preview, "value_nanoton");
        ulong fees = Less(after["money"]!, before["money"]!, "wallet_fees_nanoton") + Less(after["money"]!, before["money"]!, "channel_fees_nanoton");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((unconfirmed.ExitCode, unconfirmed.Error.Contains("--yes", StringComparison.Ordinal)), Is.EqualTo((UsageError, true)), unconfirmed.Error);
            Assert.That((string)preview["action"]!, Does.Contain("add 0.05 TON").And.Contain(channel));
            Assert.That((second.ExitCode, second.Error.Contains(channel, StringComparison.Ordinal), second.Error.Contains("--another", StringComparison.Ordinal)), Is.EqualTo((PaymentError, true, true)), "a second channel only when it is meant: " + second.Error);
            Assert.That((first, Amount(before["money"]!, "left_in_channel_nanoton")), Is.EqualTo((Amount(added, "deposit_nanoton") - grown, first + Rent)), "neither preview nor refusal added anything");
            Assert.That(Less(after["money"]!, before["money"]!, "sent_nanoton"), Is.EqualTo(value), "what the preview said was sent");
            Assert.That(grown, Is.EqualTo(paid - fees).And.GreaterThanOrEqualTo(50_000_000), "every nanoTON that the wallet lost is in the channel or a fee");
            Assert.That(Amount(after["money"]!, "left_in_channel_nanoton"), Is.EqualTo(first + grown + Rent));
            Assert.That(fees, Is.Positive.And.LessThanOrEqualTo(Amount(preview, "fees_nanoton")));
            Assert.That((tooMuch.ExitCode, nothing.ExitCode), Is.EqualTo((PaymentError, UsageError)), tooMuch.Error + nothing.Error);
            Assert.That(unknown.ExitCode, Is.Not.Zero);
            Assert.That((answer.ErrorText, answer.Channel), Is.EqualTo(("", channel)), "it goes on being used");
            Assert.That(Amount(spent["channel"]!, "spent_nanoton"), Is.EqualTo(ulong.Parse((string)answer.Cocoon!["cost_nanoton"]!, CultureInfo.InvariantCulture)));
        }
    }

    [Test, CancelAfter(180_000)]
    public async Task CloseAlone_ThroughTheChallenge_PaysTheProviderAndBringsBackTheRest(CancellationToken cancellationToken)
    {
        CocoonNode client = await NewClientAsync(cancellationToken);
        string channel = await OpenAsync(client, 0.1m, cancellationToken);
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Long(_provider.PeerId, tokens: 200), cancellationToken);
        Assert.That((answer.ErrorText, answer.Channel), Is.EqualTo(("", channel)));
        string[] close = ["channels", "close", channel, "--alone"];
        await _network.Devnet.AdvanceAsync(61);

        CommandResult unconfirmed = await RunAsync(client, cancellationToken, close);
        JsonObject preview = await ReadAsync(client, cancellationToken, [.. close, "--dry-run"]);
        string before = await StateAsync(client, channel, cancellationToken);
        JsonObject started = await ReadAsync(client, cancellationToken, [.. close, "--yes"]);
        JsonObject again = await ReadAsync(client, cancellationToken, [.. close, "--yes"]);
        CommandResult early = await RunAsync(client, cancellationToken, "channels", "close", channel, "--yes");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((unconfirmed.ExitCode, unconfirmed.Error.Contains("--yes", StringComparison.Ordinal)), Is.EqualTo((UsageError, true)), unconfirmed.Error);
            Assert.That((string)preview["action"]!, Does.Contain("start closing alone").And.Contain("3600 s"));
            Assert.That(before, Is.EqualTo("open"), "neither preview nor refusal closed it");
            Assert.That((uint)again["claimable_until"]!, Is.EqualTo((uint)started["claimable_until"]!), "asked once more, it tells until when");
            Assert.That((early.ExitCode, early.Error.Contains("Too early", StringComparison.Ordinal)), Is.EqualTo((PaymentError, true)), early.Error);
        }

        JsonObject claimed = await Eventually.GetAsync(
            "the provider claims while it may",
            () => _provider.ChannelAsync(c => (string)c["address"]! == channel && Amount(c, "redeemed_nanoton") == answer.VoucherTotal, cancellationToken),
            TimeSpan.FromSeconds(60),
            cancellationToken);
        await _network.Devnet.AdvanceAsync(3_601);
        CommandResult finished = await RunAsync(client, cancellationToken, "channels", "close", channel, "--yes", "-o", "json");
        await Eventually.GetAsync(
            "closed", () => client.ChannelAsync(c => (string)c["address"]! == channel && (string)c["state"]! == "closed", cancellationToken), TimeSpan.FromSeconds(60), cancellationToken);
        JsonObject shown = await ShowAsync(client, channel, cancellationToken);
        CommandResult over = await RunAsync(client, cancellationToken, "channels", "close", channel, "--yes");
        JsonObject wallet = await ReadAsync(client, cancellationToken, "wallet", "balance");
        JsonNode money = shown["money"]!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Amount(claimed, "redeemed_nanoton"), Is.EqualTo(answer.VoucherTotal));
            Assert.That(Amount(money, "redeemed_nanoton"), Is.EqualTo(answer.VoucherTotal), "no step of closing paid it twice");
            Assert.That(Amount(money, "left_in_channel_nanoton"), Is.Zero);
            Assert.That((over.ExitCode, over.Error.Contains("is closed", StringComparison.Ordinal)), Is.EqualTo((PaymentError, true)), over.Error);
            Assert.That((string)money["wallet_after_nanoton"]!, Is.EqualTo((string)wallet["balance_nanoton"]!));
            Assert.That(shown["checks"]!.AsArray().Select(c => (string?)c!["unexplained_nanoton"]), Is.All.EqualTo("0"));
            if (finished.ExitCode == 0)
            {
                // Else the node had fetched it by itself at this moment.
                Assert.That(Amount(JsonNode.Parse(finished.Output)!, "claimed_total_nanoton"), Is.EqualTo(answer.VoucherTotal));
            }
        }
    }

    /// <summary>One wallet has one external in flight: the watchtower beside a node sends through it, and finds its chain.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Watchtower_BesideARunningNode_NeedsNoEndpointAndClaimsThroughItsWallet(CancellationToken cancellationToken)
    {
        using TemporaryDirectory folder = new();
        CocoonNode client = await NewClientAsync(cancellationToken), friend = await NewClientAsync(cancellationToken);
        string channel = await OpenAsync(client, 0.1m, cancellationToken), file = folder.File("vouchers.json");
        ChatAnswer answer = await Chat.StreamAsync(client, Chat.Ask("Once.", _provider.PeerId), cancellationToken);
        CommandResult exported = await RunAsync(_provider, cancellationToken, "channels", "export", file);
        Assert.That(exported.ExitCode, Is.Zero, exported.Error);
        ulong gas = Amount(await ReadAsync(friend, cancellationToken, "wallet", "balance"), "balance_nanoton");

        CommandResult unconfirmed = await RunAsync(friend, cancellationToken, "watchtower", file, "--once", "--now");
        CommandResult dry = await RunAsync(friend, cancellationToken, "watchtower", file, "--now", "--dry-run");
        ulong untouched = Amount((await ShowAsync(client, channel, cancellationToken))["channel"]!, "redeemed_nanoton");
        CommandResult watched = await RunAsync(friend, cancellationToken, "watchtower", file, "--once", "--now", "--yes");
        Assert.That(watched.ExitCode, Is.Zero, watched.Error);
        JsonNode[] lines = [.. watched.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
        JsonNode claimed = lines.Single(line => (string)line["channel"]! == channel);
        JsonObject shown = await ShowAsync(client, channel, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((unconfirmed.ExitCode, unconfirmed.Error.Contains("--yes", StringComparison.Ordinal)), Is.EqualTo((UsageError, true)), unconfirmed.Error);
            Assert.That((dry.ExitCode, untouched), Is.EqualTo((0, 0UL)), dry.Error);
            Assert.That(dry.Output, Does.Contain(channel).And.Contain("would be claimed"), "it prints and asks nobody");
            Assert.That(Amount(claimed, "claimed_nanoton"), Is.EqualTo(answer.VoucherTotal), claimed.ToJsonString());
            Assert.That(Amount(shown["money"]!, "redeemed_nanoton"), Is.EqualTo(answer.VoucherTotal));
            Assert.That(gas - Amount(await ReadAsync(friend, cancellationToken, "wallet", "balance"), "balance_nanoton"), Is.Positive.And.LessThan(2_000_000UL * (ulong)lines.Length), "the friend paid the fees alone");
        }
    }

    /// <summary>The disk is lost, the wallet is not: no deposit is lost with the books.</summary>
    [Test, CancelAfter(120_000)]
    public async Task Restore_OfAWalletWithoutItsBooks_FindsTheChannelAndGoesOnWhereItWas(CancellationToken cancellationToken)
    {
        CocoonNode client = await NewClientAsync(cancellationToken);
        string channel = await OpenAsync(client, 0.1m, cancellationToken);
        ChatAnswer first = await Chat.StreamAsync(client, Chat.Long(_provider.PeerId, tokens: 100), cancellationToken);
        JsonObject before = (await client.ChannelAsync(_ => true, cancellationToken))!;
        await client.StopAsync();
        foreach (string file in Directory.GetFiles(client.DataDirectory, "cocoon.db*"))
        {
            File.Delete(file);
        }

        client = _network.Relaunch(client, crashAt: null);
        Assert.That(await client.IsReadyAsync(cancellationToken), Is.True, client.LogTail());
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _provider);
        JsonObject? forgotten = await client.ChannelAsync(_ => true, cancellationToken);
        JsonObject restored = await ReadAsync(client, cancellationToken, "channels", "restore");
        JsonObject after = (await client.ChannelAsync(_ => true, cancellationToken))!;
        CommandResult nothingLeft = await RunAsync(client, cancellationToken, "channels", "restore");
        CommandResult ofAProvider = await RunAsync(_provider, cancellationToken, "channels", "restore");
        ChatAnswer second = await Chat.StreamAsync(client, Chat.Long(_provider.PeerId, tokens: 100), cancellationToken);
        await _network.Devnet.AdvanceAsync(61);
        await ReadAsync(client, cancellationToken, "channels", "close", channel, "--yes");
        JsonObject closed = await ShowAsync(client, channel, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((first.ErrorText, forgotten), Is.EqualTo(("", (JsonObject?)null)));
            Assert.That((string)restored["restored"]!.AsArray().Single()!["channel"]!, Is.EqualTo(channel));
            Assert.That(restored["waiting"]!.AsArray(), Is.Empty);
            Assert.That((string)after["vouchered_nanoton"]!, Is.EqualTo((string)before["vouchered_nanoton"]!));
            Assert.That((string)after["spent_nanoton"]!, Is.EqualTo((string)before["spent_nanoton"]!));
            Assert.That(nothingLeft.ExitCode, Is.Zero, nothingLeft.Error);
            Assert.That(nothingLeft.Output, Does.Contain("no open channel of this wallet that is not in the books"));
            Assert.That(ofAProvider.Error, Does.Contain("this node is no client"));
            Assert.That((second.ErrorText, second.Channel), Is.EqualTo(("", channel)), "and it pays on");
            Assert.That(Amount(closed["channel"]!, "spent_nanoton"), Is.EqualTo(Amount(before, "spent_nanoton") + ulong.Parse((string)second.Cocoon!["cost_nanoton"]!, CultureInfo.InvariantCulture)));
        }
    }

    private async Task<CocoonNode> NewClientAsync(CancellationToken cancellationToken)
    {
        CocoonNode client = await _network.StartClientAsync($"client{Interlocked.Increment(ref _clients)}", CocoonNetwork.Ton, cancellationToken);
        await CocoonNetwork.WaitForOffersAsync(client, cancellationToken, _provider);
        return client;
    }

    private async Task<string> OpenAsync(CocoonNode client, decimal deposit, CancellationToken cancellationToken) => (string)(await ReadAsync(
        client, cancellationToken, "channels", "open", _provider.PeerId, "--deposit", deposit.ToString(CultureInfo.InvariantCulture), "--yes"))["channel"]!;

    /// <summary>A statement that adds up, or the test fails here.</summary>
    private static async Task<JsonObject> ShowAsync(CocoonNode client, string channel, CancellationToken cancellationToken)
    {
        JsonObject shown = await ReadAsync(client, cancellationToken, "channels", "show", channel);
        Assert.That((bool)shown["exact"]!, Is.True, shown["checks"]!.ToJsonString());
        return shown;
    }

    private static async Task<string> StateAsync(CocoonNode client, string channel, CancellationToken cancellationToken) =>
        (string)(await client.ChannelAsync(c => (string)c["address"]! == channel, cancellationToken))!["state"]!;

    private static async Task<JsonObject> ReadAsync(CocoonNode node, CancellationToken cancellationToken, params string[] command)
    {
        CommandResult result = await RunAsync(node, cancellationToken, [.. command, "-o", "json"]);
        Assert.That(result.ExitCode, Is.Zero, $"{string.Join(' ', command)}: {result.Error}");
        return JsonNode.Parse(result.Output)!.AsObject();
    }

    private static Task<CommandResult> RunAsync(CocoonNode node, CancellationToken cancellationToken, params string[] command) =>
        CocoonProgram.RunAsync(cancellationToken, [.. command, "--data", node.DataDirectory]);

    private static ulong Less(JsonNode larger, JsonNode smaller, string field) => Amount(larger, field) - Amount(smaller, field);

    private static ulong Amount(JsonNode document, string field) => ulong.Parse((string)document[field]!, CultureInfo.InvariantCulture);
}
