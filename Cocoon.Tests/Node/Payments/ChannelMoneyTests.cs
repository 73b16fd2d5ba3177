using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>Fees told beforehand, statements that add up, top-ups, refunds that come by themselves, and a watchtower; all on the real virtual machine.</summary>
internal sealed class ChannelMoneyTests : PaymentChainFixture
{
    [Test, CancelAfter(120_000)]
    public async Task Preview_OfEachStep_IsNoLessThanWhatTheNetworkTakesAndLittleMore()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 3 * Ton), provider = await NewNodeAsync(network, Ton);
        network.IntroduceAll();
        List<(string What, ulong Preview, ulong Actual)> steps = [];

        InternalMessage draft = await client.Channels.DraftOpeningAsync(provider.Terms, 50_000_000, Patience);
        ulong opening = (await client.Wallet.PreviewAsync([draft], Patience)).Fees;
        ClientChannel channel = await client.Channels.OpenAttendedAsync(provider.Terms, 50_000_000, Patience);
        steps.Add(("open", opening, await FeesAsync(channel, client, since: 0)));

        ulong before = await FeesAsync(channel, client, since: 0);
        InternalMessage topUp = channel.Contract.TopUp(100_000_000, 1);
        ulong adding = (await client.Wallet.PreviewAsync([topUp], Patience)).Fees;
        await client.Channels.TopUpAsync(channel, 85_000_000, Patience);
        steps.Add(("top-up", adding, await FeesAsync(channel, client, before)));

        ProviderChannel incoming = ((ChannelAcceptance.Accepted)await provider.Ledger.VerifyAsync(channel.Channel, Patience)).Channel;
        await SpendAsync(channel, incoming, 1, 60_000_000);
        before = await FeesAsync(channel, provider, since: 0);
        ulong claiming = (await provider.Wallet.PreviewAsync([incoming.Contract.Claim(incoming.Record.Voucher!, 1)], Patience)).Fees;
        await provider.Claims.ClaimAsync([incoming], Patience);
        steps.Add(("claim", claiming, await FeesAsync(channel, provider, before)));

        await Devnet.AdvanceAsync(61);
        before = await FeesAsync(channel, client, since: 0);
        InternalMessage close = channel.Contract.CoopClose(channel.FinalVoucher(null), new byte[64], 1);
        ulong closing = (await client.Wallet.PreviewAsync([close], Patience)).Fees;
        await client.Closer.CloseTogetherAsync(channel, Patience);
        steps.Add(("close", closing, await FeesAsync(channel, client, before)));
        foreach ((string what, ulong preview, ulong actual) in steps)
        {
            Assert.That(preview, Is.InRange(actual, actual * 3 / 2), what);
        }
    }

    [Test]
    public void OperationCost_OfEveryOperation_IsWhatTheTableMeasured()
    {
        JsonArray table = JsonNode.Parse(File.ReadAllText(Path.Combine(TestPaths.RepositoryRoot, "Cocoon.Protocol", "Contracts", "gas.json")))!["operations"]!.AsArray();
        ulong Measured(string name) => table.Where(o => ((string)o!["name"]!).StartsWith(name, StringComparison.Ordinal)).Max(o => o!["gas"]!.GetValue<ulong>());
        TonAddress somebody = new(0, ProviderFixture.Hash(3));
        ulong Ours(uint operation) => OperationCost.Of(
            new InternalMessage(somebody, 1, true, new Cocoon.Protocol.Ton.Cells.CellBuilder().StoreUInt(operation, 32).Build())).Gas;
        (uint Operation, string Name)[] operations =
        [
            (OpCodes.ChannelOpen, "Channel: deploy and open"), (OpCodes.ChannelTopUp, "Channel: top-up"), (OpCodes.ChannelClaim, "Channel: claim, sent by"),
            (OpCodes.ChannelStartClose, "Channel: start_close"), (OpCodes.ChannelFinishClose, "Channel: finish_close"), (OpCodes.ChannelCoopClose, "Channel: coop_close"),
            (OpCodes.ChannelExtend, "Channel: extend"), (OpCodes.BondAddStake, "ProviderBond: deploy"), (OpCodes.BondPublish, "ProviderBond: publish"),
            (OpCodes.BondUnbond, "ProviderBond: unbond"), (OpCodes.BondRebond, "ProviderBond: rebond"), (OpCodes.BondWithdraw, "ProviderBond: withdraw"),
            (OpCodes.BondSlash, "ProviderBond: slash"), (OpCodes.RegistryPropose, "Registry, 100 measurements and models: propose"),
            (OpCodes.RegistryApply, "Registry, 100 measurements and models: apply"), (OpCodes.RegistryRevoke, "Registry, 100 measurements and models: revoke"),
        ];
        foreach ((uint operation, string name) in operations)
        {
            Assert.That((double)Ours(operation), Is.EqualTo(Measured(name)).Within(5).Percent, name);
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Audit_OfAWholeLife_ExplainsEveryNanotonOnBothSides()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 3 * Ton), provider = await NewNodeAsync(network, Ton);
        network.IntroduceAll();
        ulong funded = await BalanceAsync(client);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 60_000_000);
        await provider.Claims.ClaimAsync([incoming], Patience);
        InternalMessage beside = new(provider.Address, 5_000_000, Bounce: false, InternalMessage.Comment("not the channel's"));
        await client.Wallet.SendAsync([new PaymentIntent("beside", beside)], Patience);
        await SpendAsync(channel, incoming, 2, 3_000_000);
        await Devnet.AdvanceAsync(61);
        await client.Closer.CloseTogetherAsync(channel, Patience);

        ChannelAuditor auditor = new(Devnet.Client);
        ChannelAudit paid = await auditor.AuditAsync(channel.Contract.Address, client.Address, Patience);
        ChannelAudit received = await auditor.AuditAsync(channel.Contract.Address, provider.Address, Patience);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(paid.Checks.Select(c => c.Unexplained), Is.All.EqualTo((Int128?)0), string.Join('\n', paid.Checks));
            Assert.That(received.Checks.Where(c => c.Unexplained is not null).Select(c => c.Unexplained), Is.All.EqualTo((Int128?)0), string.Join('\n', received.Checks));
            Assert.That((paid.Redeemed, received.Redeemed), Is.EqualTo(((ulong?)63_000_000, (ulong?)63_000_000)));
            Assert.That(paid.WalletBefore, Is.EqualTo((Int128)funded));
            Assert.That(paid.WalletAfter, Is.EqualTo((Int128)await BalanceAsync(client)));
            Assert.That(paid.OtherChange, Is.LessThan((Int128)(-5_000_000)), "the payment beside it is not the channel's");
            Assert.That(paid.LeftInChannel, Is.Zero);
            Assert.That(paid.Entries.Count(e => e.Account == "channel"), Is.EqualTo(3), "open, claim, close");
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task GetOrOpenAsync_OpenChannelWithTooLittle_IsToppedUpAndServedAtOnce()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 3 * Ton, spending: new SpendOptions { Deposit = 50_000_000 }), provider = await NewNodeAsync(network, Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 45_000_000);
        Assert.That(await client.Channels.GetOrOpenAsync(provider.Terms, 30_000_000, Patience), Is.SameAs(channel));
        Assert.That(channel.Spendable, Is.GreaterThanOrEqualTo(30_000_000));
        ClientSession more = channel.BeginSession(new SessionId(2));
        VoucherOutcome outcome = await provider.Ledger.AcceptVoucherAsync(incoming, await more.VouchAsync(30_000_000, Patience), Patience);
        Assert.That(outcome, Is.InstanceOf<VoucherOutcome.Held>(), "the provider looks again before it refuses");
    }

    [Test, CancelAfter(120_000)]
    public async Task Keeper_ExpiredChannel_FetchesTheRestWithoutAnybodyAsking()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 5_000_000);
        await client.Keeper.TendAsync(Patience);
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Open), "nothing is due yet");

        await Devnet.AdvanceAsync((7 * 86_400) - 3_600);
        Assert.That((await provider.Watcher.LookAsync(shutdown: false, Patience)).Single().Paid, Is.EqualTo(5_000_000), "claimed before the expiry");
        await Devnet.AdvanceAsync(3_700);
        ulong before = await BalanceAsync(client);
        await client.Keeper.TendAsync(Patience);
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Closed));
        Assert.That(await BalanceAsync(client), Is.GreaterThan(before + new SpendOptions().Deposit - 10_000_000));
    }

    [Test, CancelAfter(120_000)]
    public async Task Watchtower_ProviderAwayWhileItsClientCloses_ClaimsForIt()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, Ton), friend = await NewNodeAsync(network, Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 40_000_000);
        byte[] file = WatchtowerFile.Of(provider.Ledger, Networks.Devnet, DateTimeOffset.UnixEpoch).ToJson();
        Watchtower tower = new(WatchtowerFile.Read(file, Networks.Devnet), friend.Chain,
            async (claims, cancellationToken) => [.. (await friend.Wallet.SendAsync(claims, cancellationToken)).Select(o => o.Words)]);
        Assert.That((await tower.LookAsync(now: false, Patience)).Single().Words, Does.StartWith("open"), "nothing is in danger");

        await client.Closer.StartCloseAsync(channel, Patience);
        ulong payout = await BalanceAsync(provider), gas = await BalanceAsync(friend);
        WatchtowerEvent claimed = (await tower.LookAsync(now: false, Patience)).Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(claimed.Claimed, Is.EqualTo(40_000_000));
            Assert.That(tower.IsDone, Is.True);
            Assert.That(await BalanceAsync(provider), Is.GreaterThan(payout + 39_900_000), "the money went to the provider");
            Assert.That(gas - await BalanceAsync(friend), Is.LessThan(2_000_000), "the friend paid the fee alone");
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task WatchtowerFile_OfAnotherNetworkOrTamperedWith_IsRefusedInWords()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 40_000_000);
        JsonObject file = JsonNode.Parse(WatchtowerFile.Of(provider.Ledger, Networks.Devnet, DateTimeOffset.UnixEpoch).ToJson())!.AsObject();
        JsonObject tampered = (JsonObject)file.DeepClone();
        byte[] statement = Convert.FromBase64String((string)tampered["vouchers"]![0]!["statement"]!);
        statement[43] ^= 1;
        tampered["vouchers"]![0]!["statement"] = Convert.ToBase64String(statement);
        Assert.That(() => Read(file, Networks.Testnet), Throws.InstanceOf<PaymentException>().With.Message.Contains("not for testnet"));
        Assert.That(() => Read(tampered, Networks.Devnet), Throws.InstanceOf<PaymentException>().With.Message.Contains("signature"));
        Assert.That(() => WatchtowerFile.Read("[]"u8, Networks.Devnet), Throws.InstanceOf<PaymentException>());
        Assert.That(Read(file, Networks.Devnet), Has.Count.EqualTo(1));
    }

    [Test, CancelAfter(300_000)]
    public async Task Claims_Of255Channels_GoInOneExternal()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 40 * Ton), provider = await NewNodeAsync(network, 20 * Ton);
        uint now = await client.Chain.GetTimeAsync(Patience);
        (ChannelTerms Terms, Ed25519PrivateKey Key)[] channels = [.. Enumerable.Range(0, ClaimQueue.MaxBatch).Select(i =>
        {
            Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            return (new ChannelTerms(
                client.Address, key.PublicKey, provider.Address, provider.Ledger.Identity.ProviderKey.PublicKey, 3_600, now + 3_600, now + 604_800, Networks.DevnetGlobalId, (ulong)i), key);
        })];
        foreach ((ChannelTerms Terms, Ed25519PrivateKey Key)[] part in channels.Chunk(64))
        {
            await client.Wallet.SendAsync([.. part.Select(c => new PaymentIntent($"open:{c.Terms.Salt}", new ChannelContract(c.Terms).Open(ChannelContract.ValueToOpen(50_000_000), c.Terms.Salt)))], Patience);
        }

        List<ProviderChannel> incoming = [];
        foreach ((ChannelTerms terms, Ed25519PrivateKey key) in channels)
        {
            ChannelContract contract = new(terms);
            ProviderChannel channel = ((ChannelAcceptance.Accepted)await provider.Ledger.VerifyAsync(contract.Address.Id, Patience)).Channel;
            VoucherStatement statement = new(contract.Address.Id, 30_000_000, 1);
            Assert.That(await channel.AcceptVoucherAsync(new SignedVoucher(statement, statement.Sign(key)).ToMessage(), Patience), Is.InstanceOf<VoucherOutcome.Held>());
            incoming.Add(channel);
            key.Dispose();
        }

        ulong before = await BalanceAsync(provider);
        IReadOnlyList<ClaimResult> results = await provider.Claims.ClaimAsync(incoming, Patience);
        ulong earned = await BalanceAsync(provider) - before;
        Assert.That(results.Select(r => r.Paid), Is.All.EqualTo(30_000_000));
        Assert.That(results.Select(r => r.Outcome.WalletTransaction).Distinct().Count(), Is.EqualTo(1), "one external");
        await TestContext.Progress.WriteLineAsync(
            $"255 claims in one external: {((255UL * 30_000_000) - earned) / 255} nanoTON of fees per claim");
        Assert.That(earned, Is.GreaterThan(255UL * 29_000_000));
    }

    private static IReadOnlyList<WatchedVoucher> Read(JsonObject file, NetworkProfile network) =>
        WatchtowerFile.Read(System.Text.Encoding.UTF8.GetBytes(file.ToJsonString()), network);

    /// <summary>All that the network took of this channel and wallet so far, less an earlier reading.</summary>
    private async Task<ulong> FeesAsync(ClientChannel channel, PaymentNode node, ulong since)
    {
        ChannelAudit audit = await new ChannelAuditor(Devnet.Client).AuditAsync(channel.Contract.Address, node.Address, Patience);
        return audit.WalletFees + audit.ChannelFees - since;
    }

    private static async Task<(ClientChannel Paying, ProviderChannel Incoming)> OpenAsync(PaymentNode client, PaymentNode provider)
    {
        ClientChannel channel = await client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience);
        ChannelAcceptance verdict = await provider.Ledger.VerifyAsync(channel.Channel, Patience);
        return verdict is ChannelAcceptance.Accepted accepted
            ? (channel, accepted.Channel)
            : throw new InvalidOperationException($"The provider refused: {verdict}");
    }
}
