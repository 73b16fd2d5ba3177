using Cocoon.Node.Payments;
using Cocoon.Node.Registry;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>The payment engine on the real virtual machine, with every nanoton accounted for.</summary>
internal sealed class PaymentChainTests : PaymentChainFixture
{
    [Test, CancelAfter(240_000)]
    public async Task Channel_OpenedVouchedAndClosedTogether_BalancesToTheNanoton()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 3 * Ton), provider = await NewNodeAsync(network, 0);
        network.IntroduceAll();
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        Assert.That(channel.Record.Deposit, Is.GreaterThanOrEqualTo(new SpendOptions().Deposit));
        Assert.That(await client.Channels.GetOrOpenAsync(provider.Terms, 1_000, Patience), Is.SameAs(channel));

        await SpendAsync(channel, incoming, 1, 3_000_000);
        await SpendAsync(channel, incoming, 2, 4_500_000);
        await Devnet.AdvanceAsync(61);
        ulong clientBefore = await BalanceAsync(client), providerBefore = await BalanceAsync(provider);
        ulong channelBefore = (await Devnet.Client.GetAccountAsync(channel.Contract.Address, Patience)).Balance;
        ChannelSettlement settlement = await client.Closer.CloseTogetherAsync(channel, Patience);

        Assert.That((settlement.PaidToProvider, settlement.ClaimedTotal), Is.EqualTo((7_500_000UL, 7_500_000UL)));
        TonTransaction received = (await HistoryAsync(provider.Address)).First(transaction => transaction.InMessage?.OpCode == OpCodes.ChannelPaidOut);
        Assert.That(await BalanceAsync(provider), Is.EqualTo(providerBefore + settlement.PaidToProvider - received.NetworkFees));

        // What the client has afterwards is what it had, plus what was in the channel, less the provider's share and every fee.
        Assert.That(settlement.ChannelFees, Is.Not.Null);
        ulong expected = clientBefore + channelBefore - settlement.PaidToProvider - settlement.WalletFees - settlement.ChannelFees!.Value - settlement.RefundFees;
        Assert.That(await BalanceAsync(client), Is.EqualTo(expected));
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Closed));
        Assert.That(async () => await channel.SignVoucherAsync(8_000_000, [], Patience), Throws.InstanceOf<PaymentException>());
        await provider.Watcher.LookAsync(shutdown: false, Patience);
        ChannelSnapshot ended = ChannelSnapshot.Of(incoming);
        Assert.That((ended.State, ended.NextStep, ended.Redeemed), Is.EqualTo(("closed", "done", 7_500_000UL)), "the payout is the news that it has ended");
    }

    [Test, CancelAfter(240_000)]
    public async Task Channel_ThatEndedWithoutAClaim_IsSaidToBeLostAndNotClaimedInVain()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, 1 * Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 5_000_000);
        await client.Closer.StartCloseAsync(channel, Patience);
        await Devnet.AdvanceAsync(3_500);
        await provider.Ledger.RefreshAsync(incoming, Patience);
        await Devnet.AdvanceAsync(101);
        await client.Closer.FinishCloseAsync(channel, Patience);

        ulong before = await BalanceAsync(provider);
        Assert.That(await provider.Watcher.LookAsync(shutdown: false, Patience), Is.Empty, "what has ended is not claimed");
        Assert.That(await BalanceAsync(provider), Is.EqualTo(before));
        ChannelSnapshot ended = ChannelSnapshot.Of(incoming), later = ChannelSnapshot.OfEnded(incoming.Record);
        Assert.That((ended.State, ended.Redeemed, ended.AtRisk), Is.EqualTo(("closed", 0UL, 0UL)));
        Assert.That(ended.NextStep, Does.Contain("0.005 TON").And.Contain("lost"));
        Assert.That(later.NextStep, Is.EqualTo(ended.NextStep), "also after a restart");
    }

    [Test, CancelAfter(240_000)]
    public async Task Opening_WithoutFunds_IsRefusedAsFundsAndLeavesNothingBehind()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 0), provider = await NewNodeAsync(network, 0);
        for (int i = 0; i <= new SpendOptions().OpensPerHour; i++)
        {
            PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => client.Channels.GetOrOpenAsync(provider.Terms, 1_000, Patience));
            Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Funds), refused.Message);
            Assert.That(client.Channels.Channels, Is.Empty);
        }

        await Devnet.FaucetAsync(client.Address, Ton);
        Assert.That((await client.Channels.GetOrOpenAsync(provider.Terms, 1_000, Patience)).Phase, Is.EqualTo(ChannelPhase.Open));
    }

    [Test, CancelAfter(240_000)]
    public async Task Claims_OfThreeChannelsInOneExternal_ReachThePayoutWallet()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode provider = await NewNodeAsync(network, 1 * Ton);
        List<ProviderChannel> incoming = [];
        for (int i = 0; i < 3; i++)
        {
            PaymentNode client = await NewNodeAsync(network, 1 * Ton);
            (ClientChannel channel, ProviderChannel at) = await OpenAsync(client, provider);
            await SpendAsync(channel, at, i, 60_000_000);
            incoming.Add(at);
        }

        ulong before = await BalanceAsync(provider);
        IReadOnlyList<ClaimResult> results = await provider.Watcher.LookAsync(shutdown: false, Patience);
        Assert.That(results.Select(result => (result.Paid, result.Left)), Is.EqualTo(Enumerable.Repeat((60_000_000UL, 0UL), 3)));
        Assert.That(results.Select(result => result.Outcome.WalletTransaction).Distinct().Count(), Is.EqualTo(1), "one external");
        ulong after = await BalanceAsync(provider);
        Assert.That(after, Is.GreaterThan(before + 170_000_000).And.LessThan(before + 180_000_000));
        Assert.That(await provider.Watcher.LookAsync(shutdown: true, Patience), Is.Empty, "nothing is claimed twice");
        Assert.That(incoming.Select(channel => channel.Unclaimed), Is.All.Zero);
    }

    [Test, CancelAfter(240_000)]
    public async Task Claim_TriedLongWithAnEmptyWallet_GoesThroughWhenItIsFunded()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode provider = await NewNodeAsync(network, 0), client = await NewNodeAsync(network, 1 * Ton);
        (ClientChannel channel, ProviderChannel at) = await OpenAsync(client, provider);
        await SpendAsync(channel, at, 1, 60_000_000);
        for (int i = 0; i < 105; i++)
        {
            ClaimResult unpaid = (await provider.Claims.ClaimAsync([at], Patience)).Single();
            Assert.That((unpaid.Paid, unpaid.Outcome.WasGivenUp), Is.EqualTo((0UL, true)), unpaid.Outcome.Words);
        }

        await Devnet.FaucetAsync(provider.Address, Ton);
        Assert.That((await provider.Claims.ClaimAsync([at], Patience)).Single().Paid, Is.EqualTo(60_000_000UL));
    }

    [Test, CancelAfter(240_000)]
    public async Task Channel_ClosedByTheClientAlone_ProviderClaimsInTimeAndTheRestComesBack()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, 1 * Ton);
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 5_000_000);
        Assert.That(await provider.Watcher.LookAsync(shutdown: false, Patience), Is.Empty, "below the threshold");

        uint closeAt = await client.Closer.StartCloseAsync(channel, Patience);
        Assert.That(closeAt, Is.GreaterThan(0));
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Closing));
        Assert.That(async () => await client.Closer.FinishCloseAsync(channel, Patience), Throws.InstanceOf<PaymentException>(), "too early");

        IReadOnlyList<ClaimResult> results = await provider.Watcher.LookAsync(shutdown: false, Patience);
        Assert.That(results.Single().Paid, Is.EqualTo(5_000_000), "the notice at the payout account is enough");
        await Devnet.AdvanceAsync(3_601);
        ulong before = await BalanceAsync(client);
        ChannelSettlement settlement = await client.Closer.FinishCloseAsync(channel, Patience);
        Assert.That((settlement.PaidToProvider, settlement.ClaimedTotal), Is.EqualTo((0UL, 5_000_000UL)));
        Assert.That(await BalanceAsync(client), Is.GreaterThan(before + new SpendOptions().Deposit - 5_000_000));
    }

    [Test, CancelAfter(240_000)]
    public async Task Client_Restarted_KeepsChannelTotalAndWallet_AndALostStoreIsFoundAtTheProvider()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, 1 * Ton);
        network.IntroduceAll();
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        await SpendAsync(channel, incoming, 1, 2_000_000);
        TonAddress wallet = client.Address;
        ClientChannelRecord record = channel.Record;

        await client.RestartAsync();
        await provider.RestartAsync();
        Assert.That(client.Address, Is.EqualTo(wallet));
        await client.Channels.RecoverAsync(Patience);
        ClientChannel again = client.Channels.Channels.Single();
        Assert.That((again.HighestTotal, again.Phase, again.Record.Due), Is.EqualTo((2_000_000UL, ChannelPhase.Open, 2_000_000UL)));
        ProviderChannel known = ((ChannelAcceptance.Accepted)await provider.Ledger.VerifyAsync(again.Channel, Patience)).Channel;
        Assert.That(known.HighestTotal, Is.EqualTo(2_000_000));
        await SpendAsync(again, known, 2, 1_000_000);

        await client.RestartAsync(forgetDatabase: true);
        Assert.That(client.Channels.Channels, Is.Empty);
        IReadOnlyList<ClientChannel> found = (await client.NewRestorer().RestoreAsync(_ => provider.Host.LocalPeer, Patience)).Found;
        Assert.That(found.Single().Record with { CreatedAt = default }, Is.EqualTo(
            again.Record with { CreatedAt = default, Deposit = found.Single().Record.Deposit }));
        Assert.That(found.Single().Channel, Is.EqualTo(record.Channel));
    }

    [Test, CancelAfter(240_000)]
    public async Task Close_WhileASessionLives_IsRefusedByTheProvider()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, 1 * Ton);
        network.IntroduceAll();
        (ClientChannel channel, ProviderChannel incoming) = await OpenAsync(client, provider);
        ClientSession session = channel.BeginSession(new SessionId(5));
        await incoming.AcceptVoucherAsync(await session.VouchAsync(1_000_000, Patience), Patience);
        incoming.TryReserveSession(session.Id, 1_000_000);
        await session.EndAsync(1_000_000, Patience);
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => client.Closer.CloseTogetherAsync(channel, Patience));
        Assert.That(refused!.Message, Does.Contain(nameof(PayRefused.Types.Reason.SessionLive)));
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Open));
    }

    [Test, CancelAfter(240_000)]
    public async Task Registry_DeployedChangedAndRead_IsServedFromTheCacheWithoutTheChain()
    {
        MemoryNetwork network = NewNetwork();
        PaymentNode admin = await NewNodeAsync(network, 3 * Ton);
        RegistryDeployer deployer = new(admin.Wallet, Devnet.Client, TimeProvider.System);
        string[] bootstrap = ["/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGzBUUTuRGMUK8kJt7kCGpBKF1cM8zFLcTfPpEY2Uhqf9"];
        TonAddress address = await deployer.DeployAsync(RegistryDefaults.TimeLock, RegistryDefaults.Params, bootstrap, Patience);
        RegistryReader reader = new(address, Devnet.Client, admin.Database, NullLogger<RegistryReader>.Instance);
        RegistryView view = (await reader.ReadAsync(Patience))!;
        Assert.That((view.State.Bootstrap, view.State.Params, view.FromCache), Is.EqualTo((bootstrap, RegistryDefaults.Params, false)));

        uint id = await deployer.ProposeAsync(address, new RegistryChange.SetBootstrap(["/ip4/10.0.0.1/tcp/1"]), Patience);
        Assert.That(async () => await deployer.ApplyAsync(address, id, Patience), Throws.InstanceOf<PaymentException>().With.Message.Contains("time lock"));
        await Devnet.AdvanceAsync(RegistryDefaults.TimeLock + 1);
        await deployer.ApplyAsync(address, id, Patience);
        RegistryView changed = (await reader.ReadAsync(Patience))!;
        Assert.That((changed.State.Bootstrap.Single(), changed.State.Version), Is.EqualTo(("/ip4/10.0.0.1/tcp/1", view.State.Version + 1)));

        RegistryReader offline = new(address, new UnreachableTonClient(), admin.Database, NullLogger<RegistryReader>.Instance);
        RegistryView cached = (await offline.ReadAsync(Patience))!;
        Assert.That((cached.State.Version, cached.FromCache), Is.EqualTo((changed.State.Version, true)));
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
