using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Chain;

/// <summary>A channel's whole life on the chain, with every nanoton accounted for.</summary>
internal sealed class ChannelLifeTests : ChainFixture
{
    private async Task<(ChannelContract Channel, Ed25519PrivateKey PayKey)> OpenAsync(Person client, Person provider, Ed25519PrivateKey providerKey, ulong deposit)
    {
        ChainTime now = await Devnet.Client.GetChainTimeAsync(Patience);
        ulong salt = ChannelTerms.RandomSalt();
        Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(client.Key, providerKey.PublicKey, TonNetwork.Devnet.GlobalId, salt);
        ChannelContract channel = new(new ChannelTerms(
            client.Address, payKey.PublicKey, provider.Address, providerKey.PublicKey, 3600, now.Seconds + 60, now.Seconds + 604_800, TonNetwork.Devnet.GlobalId, salt));
        SendOutcome opened = await client.SendAsync($"open:{channel.Address}", channel.Open(ChannelContract.ValueToOpen(deposit), 1));
        Assert.That(opened.Result, Is.EqualTo(SendResult.Delivered), opened.Words);
        return (channel, payKey);
    }

    private static SignedVoucher Voucher(ChannelContract channel, Ed25519PrivateKey key, ulong total, ulong nonce)
    {
        VoucherStatement statement = new(channel.Address.Id, total, nonce);
        return new SignedVoucher(statement, statement.Sign(key));
    }

    [Test, CancelAfter(120_000)]
    public async Task Channel_OpenedClaimedAndClosedTogether_BalancesToTheNanoton()
    {
        Person client = await NewPersonAsync(5 * Ton);
        Person provider = await NewPersonAsync(1 * Ton);
        using Ed25519PrivateKey providerKey = Ed25519PrivateKey.Generate();
        (ChannelContract channel, Ed25519PrivateKey payKey) = await OpenAsync(client, provider, providerKey, 1 * Ton);
        using Ed25519PrivateKey ownedPayKey = payKey;

        ChannelVerdict.Open open = (ChannelVerdict.Open)channel.Verify(await Devnet.Client.GetAccountAsync(channel.Address, Patience));
        Assert.That(open.Spendable, Is.GreaterThanOrEqualTo(1 * Ton));
        Assert.That(open.State.Claimed, Is.Zero);

        SignedVoucher first = Voucher(channel, payKey, 250_000_000, 1);
        Assert.That(first.Verify(channel.Terms.PayKey));
        SendOutcome claimed = await provider.SendAsync("claim:1", channel.Claim(first, 2));
        Assert.That(claimed.Result, Is.EqualTo(SendResult.Delivered), claimed.Words);
        TonAccount afterClaim = await Devnet.Client.GetAccountAsync(channel.Address, Patience);
        Assert.That(ChannelContract.ParseState(afterClaim.Data!).Claimed, Is.EqualTo(250_000_000));

        SendOutcome replayed = await provider.SendAsync("claim:1 again", channel.Claim(first, 3));
        Assert.That((replayed.Result, replayed.ReceiverExitCode, replayed.Bounced), Is.EqualTo((SendResult.RejectedByReceiver, 203, true)), replayed.Words);
        Assert.That(replayed.Words, Does.Contain("not above what has been claimed"));

        SignedVoucher last = Voucher(channel, payKey, 400_000_000, 2);
        byte[] ack = new CloseAckStatement(channel.Address.Id, 400_000_000).Sign(providerKey);
        SendOutcome early = await client.SendAsync("close early", channel.CoopClose(last, ack, 4));
        Assert.That((early.Result, early.ReceiverExitCode), Is.EqualTo((SendResult.RejectedByReceiver, 201)), early.Words);
        await Devnet.AdvanceAsync(61);
        SendOutcome closed = await client.SendAsync("close", channel.CoopClose(last, ack, 5));
        Assert.That(closed.Result, Is.EqualTo(SendResult.Delivered), closed.Words);

        TonAccount gone = await Devnet.Client.GetAccountAsync(channel.Address, Patience);
        Assert.That((gone.IsActive, gone.Balance), Is.EqualTo((false, 0UL)));

        await ReconcileAsync(client.Address);
        List<TonTransaction> history = await ReconcileAsync(provider.Address);
        await ReconcileAsync(channel.Address, closed.ReceiverTransaction);

        // What the channel paid is what the vouchers said: the claim came with change, the final payment alone.
        TonTransaction final = history.Single(transaction => transaction.InMessage is { OpCode: OpCodes.ChannelPaidOut } message && message.Value == 150_000_000);
        Assert.That(final.BalanceChange, Is.EqualTo((Int128)150_000_000 - final.TotalFees));
    }

    [Test, CancelAfter(120_000)]
    public async Task Channel_ClosedByTheClientAlone_ComesBackAfterTheChallenge()
    {
        Person client = await NewPersonAsync(3 * Ton);
        Person provider = await NewPersonAsync(1 * Ton);
        using Ed25519PrivateKey providerKey = Ed25519PrivateKey.Generate();
        (ChannelContract channel, Ed25519PrivateKey payKey) = await OpenAsync(client, provider, providerKey, 1 * Ton);
        using Ed25519PrivateKey ownedPayKey = payKey;

        SendOutcome extended = await client.SendAsync("extend", channel.Extend(channel.Terms.ExpiresAt + 100, 1));
        Assert.That(extended.Succeeded, extended.Words);
        SendOutcome topUp = await client.SendAsync("top up", channel.TopUp(Ton / 2, 2));
        Assert.That(topUp.Succeeded, topUp.Words);
        SendOutcome started = await client.SendAsync("start", channel.StartClose(3));
        Assert.That(started.Succeeded, started.Words);
        ChannelVerdict.Open closing = (ChannelVerdict.Open)channel.Verify(await Devnet.Client.GetAccountAsync(channel.Address, Patience));
        Assert.That(closing.State.IsClosing);
        Assert.That(closing.State.ExpiresAt, Is.EqualTo(channel.Terms.ExpiresAt + 100));

        SignedVoucher voucher = Voucher(channel, payKey, 100_000_000, 1);
        SendOutcome claimed = await provider.SendAsync("claim", channel.Claim(voucher, 4));
        Assert.That(claimed.Succeeded, claimed.Words);
        await Devnet.AdvanceAsync(3601);
        SendOutcome finished = await client.SendAsync("finish", channel.FinishClose(5));
        Assert.That(finished.Succeeded, finished.Words);
        await ReconcileAsync(client.Address);
        await ReconcileAsync(channel.Address, finished.ReceiverTransaction);
    }

    [Test, CancelAfter(120_000)]
    public async Task Registry_ProposedAndApplied_ReadsFromItsDataCell()
    {
        Person admin = await NewPersonAsync(2 * Ton);
        RegistryContract registry = RegistryContract.Create(admin.Address, 3600, new NetParams(1, 604_800, 3600, 86_400, 1, 1), ["/ip4/127.0.0.1/tcp/1"]);
        Assert.That((await admin.SendAsync("deploy", registry.Deploy())).Succeeded);
        CellHash model = new(Enumerable.Repeat((byte)7, 32).ToArray());
        CellHash bad = new(Enumerable.Repeat((byte)8, 32).ToArray());
        SendOutcome proposed = await admin.SendAsync("propose", registry.Propose(new RegistryChange.PutModel(model, 1, default), 1));
        Assert.That(proposed.Succeeded, proposed.Words);
        SendOutcome list = await admin.SendAsync("propose 2", registry.Propose(new RegistryChange.SetBootstrap(["/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3"]), 2));
        Assert.That(list.Succeeded, list.Words);
        SendOutcome revoked = await admin.SendAsync("revoke", registry.Revoke(false, bad, 3));
        Assert.That(revoked.Succeeded, revoked.Words);
        SendOutcome early = await admin.SendAsync("apply early", registry.Apply(0, 4));
        Assert.That(early.ReceiverExitCode, Is.EqualTo(242), early.Words);
        await Devnet.AdvanceAsync(3601);
        Assert.That((await admin.SendAsync("apply", registry.Apply(0, 5))).Succeeded);
        Assert.That((await admin.SendAsync("apply 2", registry.Apply(1, 6))).Succeeded);

        RegistryState state = RegistryContract.ParseState((await Devnet.Client.GetAccountAsync(registry.Address, Patience)).Data!);
        Assert.That(state.Models[model].Flags, Is.EqualTo(1));
        Assert.That(state.Measurements[bad].IsRevoked);
        Assert.That(state.Bootstrap, Is.EqualTo(new[] { "/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3" }));
        Assert.That((state.Version, state.Pending.Count), Is.EqualTo((3U, 0)));
    }

    [Test, CancelAfter(120_000)]
    public async Task Bond_SlashedForEquivocation_LosesHalfToTheReporter()
    {
        Person owner = await NewPersonAsync(5 * Ton);
        Person reporter = await NewPersonAsync(1 * Ton);
        using Ed25519PrivateKey nodeKey = Ed25519PrivateKey.Generate();
        ProviderBondContract bond = new(owner.Address, nodeKey.PublicKey, new BondParams(owner.Address, 604_800, Ton, TonNetwork.Devnet.GlobalId));
        Assert.That((await owner.SendAsync("stake", bond.AddStake(2 * Ton, 1, deploy: true))).Succeeded);
        Assert.That((await owner.SendAsync("publish", bond.Publish(1, new CellHash(new byte[32]), 2))).Succeeded);
        BondStatement one = new(bond.Address.Id, BondStatementKind.PriceList, BondStatement.NumberSlot(1), new CellHash(Enumerable.Repeat((byte)1, 32).ToArray()));
        BondStatement two = one with { Digest = new CellHash(Enumerable.Repeat((byte)2, 32).ToArray()) };
        SendOutcome slashed = await reporter.SendAsync("slash", bond.Slash(one, one.Sign(nodeKey), two, two.Sign(nodeKey), 3));
        Assert.That(slashed.Succeeded, slashed.Words);
        BondState state = ProviderBondContract.ParseState((await Devnet.Client.GetAccountAsync(bond.Address, Patience)).Data!);
        Assert.That((state.Slashed, state.IsBonded), Is.EqualTo((true, false)));
        Assert.That((await Devnet.Client.GetAccountAsync(reporter.Address, Patience)).Balance, Is.GreaterThan(19 * Ton / 10));
        await ReconcileAsync(reporter.Address);
    }

    [Test, CancelAfter(60_000)]
    public async Task GetMethod_OfAChannel_SaysWhatTheDataCellSays()
    {
        Person client = await NewPersonAsync(3 * Ton);
        Person provider = await NewPersonAsync(1 * Ton);
        using Ed25519PrivateKey providerKey = Ed25519PrivateKey.Generate();
        (ChannelContract channel, Ed25519PrivateKey payKey) = await OpenAsync(client, provider, providerKey, 1 * Ton);
        using Ed25519PrivateKey ownedPayKey = payKey;
        GetMethodResult result = await Devnet.Client.RunGetMethodAsync(channel.Address, "channel_state", [], Patience);
        ChannelVerdict.Open open = (ChannelVerdict.Open)channel.Verify(await Devnet.Client.GetAccountAsync(channel.Address, Patience));
        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Stack, Has.Count.EqualTo(5));
        Assert.That(((StackValue.Integer)result.Stack[4]).Value, Is.EqualTo(new System.Numerics.BigInteger(open.Spendable)));
        Cell prices = await Devnet.Client.GetConfigParamAsync(21, Patience);
        Assert.That(prices.BeginParse().LoadUInt(8), Is.EqualTo(0xD1));
    }

    /// <summary>From nothing to now: every transaction's change adds up to the balance.</summary>
    private async Task<List<TonTransaction>> ReconcileAsync(TonAddress address, TransactionId? from = null)
    {
        List<TonTransaction> history = await HistoryAsync(address, from);
        Int128 sum = history.Aggregate(Int128.Zero, (total, transaction) => total + transaction.BalanceChange);
        TonAccount account = await Devnet.Client.GetAccountAsync(address, Patience);
        Assert.That(sum, Is.EqualTo((Int128)account.Balance), $"{address}: {history.Count} transactions");
        return history;
    }
}
