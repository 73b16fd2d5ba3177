using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton.Toncenter;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>An endpoint that stalls, is late, delivers twice, refuses, talks nonsense, or lies about time and money: nothing is lost, and what happened is said.</summary>
internal sealed class ChainFaultTests : PaymentChainFixture
{
    /// <summary>Short, so that giving up takes seconds and not minutes.</summary>
    private static readonly SpendOptions s_hasty = new() { OpenTimeout = TimeSpan.FromSeconds(3) };

    [TestCase(ChainFault.Stall)]
    [TestCase(ChainFault.Garbage)]
    [TestCase(ChainFault.Refuse)]
    [TestCase(ChainFault.Late)]
    [TestCase(ChainFault.Twice)]
    [TestCase(ChainFault.SaysRefused)]
    [CancelAfter(120_000)]
    public async Task WholeLife_WhileTheEndpointMisbehaves_OpensOnceAndPaysOnceWhenItIsWellAgain(ChainFault fault)
    {
        MemoryNetwork network = NewNetwork();
        using FaultyChainHandler handler = new();
        using HttpClient http = new(handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        PaymentNode client = await NewNodeAsync(network, 2 * Ton, Hasty(http), s_hasty), provider = await NewNodeAsync(network, Ton);
        network.IntroduceAll();
        handler.Fault = fault;
        PaymentException? failed = null;
        try
        {
            await client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience);
        }
        catch (PaymentException exception)
        {
            failed = exception;
        }

        handler.Fault = ChainFault.None;
        bool works = fault is ChainFault.Late or ChainFault.Twice or ChainFault.SaysRefused;
        Assert.That(failed, works ? Is.Null : Is.Not.Null, failed?.Message);
        Assert.That(failed?.Message, works ? Is.Null : Does.Contain("chain").IgnoreCase.Or.Contain("opening").IgnoreCase);
        ClientChannel channel = await client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience);
        await client.Channels.RecoverAsync(Patience);

        ProviderChannel incoming = ((ChannelAcceptance.Accepted)await provider.Ledger.VerifyAsync(channel.Channel, Patience)).Channel;
        await SpendAsync(channel, incoming, 1, 7_000_000);
        await Devnet.AdvanceAsync(61);
        handler.Fault = works ? fault : ChainFault.None;
        await client.Closer.CloseTogetherAsync(channel, Patience);
        handler.Fault = ChainFault.None;
        ChannelAudit audit = await new ChannelAuditor(Devnet.Client).AuditAsync(channel.Contract.Address, client.Address, Patience);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(audit.IsExact, Is.True, string.Join('\n', audit.Checks));
            Assert.That(audit.Redeemed, Is.EqualTo(7_000_000));
            Assert.That(audit.Entries.Count(e => e.What.Contains("open channel", StringComparison.Ordinal) && e.Account == "channel"), Is.EqualTo(1), "opened once");
            Assert.That(audit.LeftInChannel, Is.Zero);
        }
    }

    [TestCase(ChainFault.ClockBehind)]
    [TestCase(ChainFault.ClockAhead)]
    [CancelAfter(120_000)]
    public async Task Opening_ByAFalseClock_IsRefusedByTheContractAndTheDepositComesBack(ChainFault fault)
    {
        MemoryNetwork network = NewNetwork();
        using FaultyChainHandler handler = new();
        using HttpClient http = new(handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        PaymentNode client = await NewNodeAsync(network, 2 * Ton, Hasty(http), s_hasty), provider = await NewNodeAsync(network, Ton);
        ulong before = (await Devnet.Client.GetAccountAsync(client.Address, Patience)).Balance;
        handler.Fault = fault;
        PaymentException? failed = await Assert.ThrowsAsync<PaymentException>(() => client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience));
        handler.Fault = ChainFault.None;
        ulong after = (await Devnet.Client.GetAccountAsync(client.Address, Patience)).Balance;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failed!.Code, Is.EqualTo(PaymentErrorCode.Chain));
            Assert.That(failed.Message, Is.Not.Empty);
            Assert.That(before - after, Is.LessThan(5_000_000), $"fees at most: {failed.Message}");
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task Provider_ToldByOneEndpointThatAChannelIsRich_RisksATenthOfATonAtMost()
    {
        MemoryNetwork network = NewNetwork();
        using FaultyChainHandler handler = new() { Fault = ChainFault.TooRich };
        using HttpClient http = new(handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        PaymentNode client = await NewNodeAsync(network, 2 * Ton), provider = await NewNodeAsync(network, Ton, Hasty(http));
        ClientChannel channel = await client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience);
        ProviderChannel incoming = ((ChannelAcceptance.Accepted)await provider.Ledger.VerifyAsync(channel.Channel, Patience)).Channel;
        Assert.That(incoming.Exposure.Capacity, Is.EqualTo(new ProviderOptions().UncorroboratedLimit));
    }

    [Test, CancelAfter(120_000)]
    public async Task Client_ToldThatItsWalletIsEmpty_SendsNothingAndSaysWhatIsNeededAndWhere()
    {
        MemoryNetwork network = NewNetwork();
        using FaultyChainHandler handler = new();
        using HttpClient http = new(handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        PaymentNode client = await NewNodeAsync(network, 2 * Ton, Hasty(http), s_hasty), provider = await NewNodeAsync(network, Ton);
        handler.Fault = ChainFault.TooPoor;
        PaymentException? failed = await Assert.ThrowsAsync<PaymentException>(() => client.Channels.GetOrOpenAsync(provider.Terms, 1_000_000, Patience));
        (string what, string? fix) = MoneyWords.Of(failed!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failed!.Shortfall, Is.EqualTo(new Shortfall(ChannelContract.ValueToOpen(200_000_000) + client.Wallet.FeeReserve, 0, client.Address)));
            Assert.That(what, Is.EqualTo("there is not enough money"));
            Assert.That(fix, Does.Contain(client.Address.ToFriendly(bounceable: false)).And.Contain("0.235 TON").And.Contain("cocoon wallet balance"));
            Assert.That((await Devnet.Client.GetAccountAsync(client.Address, Patience)).Balance, Is.EqualTo(2 * Ton), "nothing left the wallet");
            Assert.That(client.Channels.Channels, Is.Empty);
        }
    }

    private ToncenterClient Hasty(HttpClient http) => new(http, Devnet.Options with
    {
        RequestTimeout = TimeSpan.FromSeconds(1),
        CallTimeout = TimeSpan.FromSeconds(2),
        MaxRounds = 2,
        FirstBackOff = TimeSpan.FromMilliseconds(50),
    });
}
