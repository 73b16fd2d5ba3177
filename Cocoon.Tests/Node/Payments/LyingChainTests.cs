using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A server that says what the chain does not: that money was paid out, that an account is gone, or what was so a while ago.</summary>
internal sealed class LyingChainTests
{
    private const ulong Deposit = ClientFixture.Deposit;
    private const ulong Step = 1_000_000;

    /// <summary>Whoever runs the server may be the provider: a voucher for what was "paid out already" would be the whole deposit.</summary>
    [Test]
    public async Task CloseTogetherAsync_ToldThatMoreWasPaidOutThanVouched_SignsNothing()
    {
        await using ClientFixture client = new();
        await client.Channel.SignVoucherAsync(1_000, [], CancellationToken.None);
        client.Show(state => state with { Claimed = Deposit });
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => client.Closer.CloseTogetherAsync(client.Channel, CancellationToken.None));
        Assert.That((refused!.Code, client.AskedToClose), Is.EqualTo((PaymentErrorCode.Provider, 0)), refused.Message);
        Assert.That(client.Channel.HighestTotal, Is.EqualTo(1_000));
    }

    [Test]
    public async Task RefreshAsync_AnAnswerOlderThanTheLast_ChangesNothing()
    {
        await using ClientFixture client = new();
        await client.Channels.RefreshAsync(client.Channel, CancellationToken.None);
        client.Chain.Now -= 60;
        client.Chain.Accounts.Clear();
        await client.Channels.RefreshAsync(client.Channel, CancellationToken.None);
        Assert.That(client.Channel.Phase, Is.EqualTo(ChannelPhase.Open), "a server that lags behind has not seen it opened");
    }

    /// <summary>Two servers that are asked by turns: the one that lags behind has not seen that closing began, and would have it begun again.</summary>
    [Test]
    public async Task RefreshAsync_AStateOlderThanTheLast_ChangesNothing()
    {
        await using ClientFixture client = new();
        uint closeAt = client.Chain.Now + 3_600;
        client.Show(state => state with { CloseAt = closeAt });
        await client.Channels.RefreshAsync(client.Channel, CancellationToken.None);
        client.Chain.Now -= 60;
        client.Show(state => state with { CloseAt = 0 });
        await client.Channels.RefreshAsync(client.Channel, CancellationToken.None);
        Assert.That((client.Channel.Phase, client.Channel.Record.CloseAt), Is.EqualTo((ChannelPhase.Closing, closeAt)));
    }

    [Test]
    public async Task RefreshAsync_OneServerSaysOnceThatTheAccountIsGone_TheDepositIsNotForgotten()
    {
        await using ClientFixture client = new();
        ClientChannel channel = client.Channel;
        client.Chain.Corroborated = false;
        ChannelAccount account = client.Chain.Accounts[channel.Channel];
        client.Chain.Accounts.Clear();
        await client.Channels.RefreshAsync(channel, CancellationToken.None);
        Assert.That((client.Channels.Find(channel.Channel), channel.Phase), Is.EqualTo((channel, ChannelPhase.Open)));
        client.Chain.Accounts[channel.Channel] = account;
        client.Chain.Now += 10;
        await client.Channels.RefreshAsync(channel, CancellationToken.None);
        Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Open));
    }

    [TestCase(true, 1)]
    [TestCase(false, 3)]
    public async Task RefreshAsync_TheAccountIsGone_IsBelievedWhenItIsProvenOrStaysSo(bool corroborated, int looks)
    {
        await using ClientFixture client = new();
        ClientChannel channel = client.Channel;
        client.Chain.Corroborated = corroborated;
        client.Chain.Accounts.Clear();
        for (int i = 1; i <= looks; i++)
        {
            Assert.That(channel.Phase, Is.EqualTo(ChannelPhase.Open), $"look {i}");
            await client.Channels.RefreshAsync(channel, CancellationToken.None);
            client.Chain.Now += (uint)ChannelReadings.GoneAfter.TotalSeconds / 2;
        }

        Assert.That((channel.Phase, client.Channels.Find(channel.Channel)), Is.EqualTo((ChannelPhase.Closed, (ClientChannel?)null)));
    }

    /// <summary>It shows the deposit as it was before: what was sent stays counted against what one provider may have tied up.</summary>
    [Test]
    public async Task TopUpAsync_WhoseMoneyIsNeverShown_StopsAtTheCapAllTheSame()
    {
        await using ClientFixture client = new();
        const ulong amount = 400_000_000;
        for (int i = 0; i < 2; i++)
        {
            using CancellationTokenSource sent = new();
            client.OnSend = sent.Cancel;
            await Assert.ThatAsync(() => client.Channels.TopUpAsync(client.Channel, amount, sent.Token), Throws.InstanceOf<OperationCanceledException>());
        }

        client.OnSend = null;
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => client.Channels.TopUpAsync(client.Channel, amount, CancellationToken.None));
        Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Limit));
    }

    /// <summary>A watchtower has nothing but what it is shown, and the provider is away.</summary>
    [TestCase("gone")]
    [TestCase("redeemed")]
    public async Task Watchtower_ToldByOneServerThatThereIsNothingToDo_WatchesOn(string lie)
    {
        await using ProviderFixture fixture = new();
        ChannelAccount account = fixture.Chain.Open(fixture.Terms, Deposit);
        VoucherStatement statement = new(account.Channel, 5 * Step, 1);
        WatchedVoucher watched = new(new ChannelContract(fixture.Terms), new SignedVoucher(statement, statement.Sign(fixture.PayKey)));
        int claims = 0;
        Watchtower tower = new([watched], fixture.Chain, (intents, _) =>
        {
            claims += intents.Count;
            return Task.FromResult<IReadOnlyList<string>>([.. intents.Select(_ => "sent")]);
        });
        fixture.Chain.Corroborated = false;
        fixture.Chain.Accounts.Remove(account.Channel);
        if (lie == "redeemed")
        {
            fixture.Chain.Accounts[account.Channel] = account with { Corroborated = false, State = account.State! with { Claimed = 5 * Step } };
        }

        await tower.LookAsync(now: false, CancellationToken.None);
        Assert.That(tower.IsDone, Is.False);
        fixture.Chain.Accounts[account.Channel] = account with { Corroborated = false, State = account.State! with { CloseAt = fixture.Chain.Now + 3_600 } };
        await tower.LookAsync(now: false, CancellationToken.None);
        Assert.That(claims, Is.EqualTo(1));
        fixture.Chain.Accounts.Clear();
        fixture.Chain.Now = fixture.Terms.ExpiresAt;
        await tower.LookAsync(now: false, CancellationToken.None);
        Assert.That(tower.IsDone, Is.True, "it can have nothing to watch any more");
    }

    /// <summary>What a contract has paid out comes of vouchers that this node held: a lie about it would be capacity, and money never claimed.</summary>
    [Test]
    public async Task Provider_ToldByOneServerThatMoreWasPaidOutThanItHolds_DoesNotBelieveIt()
    {
        await using ProviderFixture fixture = new();
        ChannelAccount account = fixture.Chain.Open(fixture.Terms, 1_000_000_000) with { Corroborated = false };
        ChannelAccount lie = account with { State = account.State! with { Claimed = 10_000_000_000 } };
        fixture.Chain.Accounts[account.Channel] = lie;
        ChannelAcceptance verdict = await fixture.Ledger.VerifyAsync(account.Channel, CancellationToken.None);
        Assert.That((verdict as ChannelAcceptance.Refused)?.Reason, Is.EqualTo(DeclineReason.DeclineChain));

        fixture.Chain.Accounts[account.Channel] = account;
        ProviderChannel channel = ((ChannelAcceptance.Accepted)await fixture.Ledger.VerifyAsync(account.Channel, CancellationToken.None)).Channel;
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 5 * Step), CancellationToken.None);
        fixture.Chain.Accounts[account.Channel] = lie;
        Assert.That(async () => await fixture.Ledger.RefreshAsync(channel, CancellationToken.None), Throws.InstanceOf<TonException>());
        Assert.That((channel.Unclaimed, channel.Exposure.Capacity), Is.EqualTo((5 * Step, fixture.Options.UncorroboratedLimit)));
        fixture.Chain.Accounts[account.Channel] = account with { State = account.State! with { Claimed = 5 * Step } };
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        Assert.That(channel.Unclaimed, Is.Zero, "what it was vouched may have been claimed");
    }

    /// <summary>A channel ends by the provider's own consent, after a challenge, or when it expires: not from one moment to the next.</summary>
    [Test]
    public async Task Provider_ToldThatAnAccountIsGoneBeforeItCanBe_DoesNotBelieveOneServer()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 5 * Step), CancellationToken.None);
        fixture.Chain.Accounts.Clear();
        fixture.Chain.Corroborated = false;
        fixture.Chain.Now += 3_000;
        Assert.That(async () => await fixture.Ledger.RefreshAsync(channel, CancellationToken.None), Throws.InstanceOf<TonException>());
        Assert.That((channel.Record.Gone, channel.Exposure.Closing), Is.EqualTo((false, false)));
        fixture.Chain.Now += 601;
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        Assert.That(channel.Record.Gone, Is.True, "a whole challenge passed unseen");
    }

    [Test]
    public async Task Provider_ThatBelievedAnAccountGone_ForgetsNoVoucherOfItAndGoesOnWhenItIsThere()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 5 * Step), CancellationToken.None);
        ChannelAccount account = fixture.Chain.Accounts[channel.Channel];
        fixture.Chain.Accounts.Clear();
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        await fixture.RestartAsync();
        ProviderChannel? after = fixture.Ledger.Find(channel.Channel);
        Assert.That(after?.Unclaimed, Is.EqualTo(5 * Step), "it is watched on");
        fixture.Chain.Accounts[channel.Channel] = account;
        await fixture.Ledger.RefreshAsync(after!, CancellationToken.None);
        Assert.That(after!.Record.Gone, Is.False);
        Assert.That(after.TryReserveSession(new SessionId(1), Step), Is.InstanceOf<ReservationOutcome.Reserved>());
    }
}
