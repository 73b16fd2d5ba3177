using Cocoon.Node.OpenAi;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

internal sealed class ClientChannelTests
{
    private const ulong Deposit = 10_000;

    [Test]
    public async Task SignVoucherAsync_AnyOrderOfTotals_IsStoredBeforeItIsReturnedAndNeverFalls()
    {
        await using Fixture fixture = new();
        ulong highest = 0;
        foreach (ulong total in new ulong[] { 100, 50, 100, 700, 0, 699, 701 })
        {
            VoucherMessage message = await fixture.Channel.SignVoucherAsync(total, [], CancellationToken.None);
            highest = Math.Max(highest, total);
            Assert.That(Total(message), Is.EqualTo(highest));
            Assert.That(fixture.Store.Find(fixture.Channel.Channel)!.HighestTotal, Is.EqualTo(highest));
        }

        Assert.That(fixture.Channel.Record.Nonce, Is.EqualTo(3), "only new totals take a number");
    }

    [Test]
    public async Task SignVoucherAsync_ManyAtOnce_EachAnswerIsCoveredByTheStore()
    {
        await using Fixture fixture = new();
        ulong[] totals = await Task.WhenAll(Enumerable.Range(1, 200).Select(i => Task.Run(async () =>
        {
            VoucherMessage message = await fixture.Channel.SignVoucherAsync((ulong)(i * 7 % 211), [], CancellationToken.None);
            ulong stored = fixture.Store.Find(fixture.Channel.Channel)!.HighestTotal;
            return stored >= Total(message) ? Total(message) : throw new AssertionException("returned before it was stored");
        })));
        Assert.That(totals.Max(), Is.EqualTo(fixture.Channel.HighestTotal));
    }

    [Test]
    public async Task VouchAsync_OverALimit_ThrowsAndNothingIsSigned()
    {
        await using Fixture fixture = new(new SpendOptions { PerRequest = 1_000, PerDay = 2_500 });
        ClientSession first = fixture.Channel.BeginSession(new SessionId(1));
        PaymentException? request = await Assert.ThrowsAsync<PaymentException>(() => first.VouchAsync(1_001, CancellationToken.None));
        Assert.That(request!.Code, Is.EqualTo(PaymentErrorCode.Limit));
        await first.VouchAsync(1_000, CancellationToken.None);
        await fixture.Channel.BeginSession(new SessionId(2)).VouchAsync(1_000, CancellationToken.None);
        ClientSession third = fixture.Channel.BeginSession(new SessionId(3));
        PaymentException? day = await Assert.ThrowsAsync<PaymentException>(() => third.VouchAsync(501, CancellationToken.None));
        Assert.That(day!.Code, Is.EqualTo(PaymentErrorCode.Limit));
        Assert.That(Total(await third.VouchAsync(500, CancellationToken.None)), Is.EqualTo(2_500));
        Assert.That(fixture.Store.SpentOn(fixture.Time.GetUtcNow()), Is.EqualTo(2_500));
        fixture.Time.Advance(TimeSpan.FromDays(1));
        Assert.That(Total(await third.VouchAsync(1_000, CancellationToken.None)), Is.EqualTo(3_000), "a new day");
    }

    [Test]
    public async Task BeginSession_MoreThanAChannelCarries_IsBusyUntilOneEnds_AndTheApplicationIsToldToAskAgain()
    {
        await using Fixture fixture = new(new SpendOptions());
        ClientSession[] all = [.. Enumerable.Range(1, ChannelLedger.MaxSessions).Select(i => fixture.Channel.BeginSession(new SessionId((ulong)i)))];
        PaymentException busy = Assert.Throws<PaymentException>(() => fixture.Channel.BeginSession(new SessionId(1000)))!;
        OpenAiError told = OpenAiError.From(PaymentFailures.From(busy));
        Assert.That((busy.Code, told.Status, told.Code, told.RetryAfter is not null), Is.EqualTo((PaymentErrorCode.Busy, 429, "rate_limit_exceeded", true)));
        await all[0].EndAsync(0, CancellationToken.None);
        Assert.That(() => fixture.Channel.BeginSession(new SessionId(1000)), Throws.Nothing);
    }

    [Test]
    public async Task VouchAsync_OverAnApplicationsLimit_StopsThatOneAloneAndWhatItDidNotCostComesBack()
    {
        await using Fixture fixture = new(new SpendOptions { PerRequest = 1_000, PerKeyPerDay = 1_500 });
        ClientSession first = fixture.Channel.BeginSession(new SessionId(1), spender: "a");
        await first.VouchAsync(1_000, CancellationToken.None);
        ClientSession second = fixture.Channel.BeginSession(new SessionId(2), spender: "a");
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => second.VouchAsync(501, CancellationToken.None));
        Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Limit));
        ClientSession other = fixture.Channel.BeginSession(new SessionId(3), spender: "b");
        Assert.That(Total(await other.VouchAsync(1_000, CancellationToken.None)), Is.EqualTo(2_000), "another application has its own limit");
        await first.EndAsync(400, CancellationToken.None);
        Assert.That(fixture.Store.SpentOn(fixture.Time.GetUtcNow(), "a"), Is.EqualTo(400));
        await second.VouchAsync(1_000, CancellationToken.None);
        Assert.That(fixture.Store.SpentOn(fixture.Time.GetUtcNow(), "a"), Is.EqualTo(1_400));
    }

    [Test]
    public async Task VouchAsync_BeyondTheDeposit_IsRefusedAsFunds()
    {
        await using Fixture fixture = new();
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(
            () => fixture.Channel.SignVoucherAsync(Deposit + 1, [], CancellationToken.None));
        Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Funds));
        Assert.That(fixture.Channel.HighestTotal, Is.Zero);
    }

    [Test]
    public async Task VouchAsync_AfterAnEarlierSessionLeftCredit_UsesItBeforeRaisingTheTotal()
    {
        await using Fixture fixture = new();
        ClientSession first = fixture.Channel.BeginSession(new SessionId(1));
        await first.VouchAsync(1_000, CancellationToken.None);
        await first.EndAsync(300, CancellationToken.None);
        ClientSession second = fixture.Channel.BeginSession(new SessionId(2));
        VoucherMessage covered = await second.VouchAsync(700, CancellationToken.None);
        Assert.That(Total(covered), Is.EqualTo(1_000));
        Assert.That(covered.Allocations.Single().Nanoton, Is.EqualTo(700));
        Assert.That(Total(await second.VouchAsync(701, CancellationToken.None)), Is.EqualTo(1_001));
    }

    [Test]
    public async Task VouchAsync_ManyAtOnce_ShareVouchersThatCoverThemAll()
    {
        await using Fixture fixture = new();
        ClientSession[] sessions = [.. Enumerable.Range(1, 30).Select(i => fixture.Channel.BeginSession(new SessionId((uint)i)))];
        VoucherMessage[] messages = await Task.WhenAll(sessions.Select(session => session.VouchAsync(100, CancellationToken.None)));
        Assert.That(fixture.Channel.HighestTotal, Is.EqualTo(3_000));
        Assert.That(fixture.Channel.Record.Nonce, Is.LessThan(30), "who waits for the disk is served together");
        foreach ((ClientSession session, VoucherMessage message) in sessions.Zip(messages))
        {
            ulong vouched = message.Allocations.Aggregate(0UL, (sum, allocation) => sum + allocation.Nanoton);
            Assert.That(message.Allocations.Single(a => a.SessionId.Span.SequenceEqual(session.Id.ToArray())).Nanoton, Is.EqualTo(100));
            Assert.That(vouched, Is.LessThanOrEqualTo(Total(message)));
        }
    }

    [Test]
    public async Task VouchAsync_OneOfManyAtOnceAsksForTooMuch_IsRefusedAlone()
    {
        await using Fixture fixture = new(new SpendOptions { PerDay = 3_000 });
        ClientSession[] sessions = [.. Enumerable.Range(1, 20).Select(i => fixture.Channel.BeginSession(new SessionId((uint)i)))];
        bool[] served = await Task.WhenAll(sessions.Select(async (session, i) =>
        {
            try
            {
                return Total(await session.VouchAsync(i == 7 ? 2_900UL : 100, CancellationToken.None)) > 0;
            }
            catch (PaymentException refused) when (refused.Code == PaymentErrorCode.Limit)
            {
                return false;
            }
        }));
        Assert.That(served.Count(s => s), Is.EqualTo(19));
        Assert.That(served[7], Is.False);
        Assert.That(sessions[7].Allocated, Is.Zero);
        Assert.That(fixture.Channel.HighestTotal, Is.EqualTo(1_900));
    }

    [Test]
    public async Task VouchAsync_GivenUpWhileItWaits_LeavesTheOthersTheirVoucher()
    {
        await using Fixture fixture = new();
        using CancellationTokenSource leaving = new();
        ClientSession[] sessions = [.. Enumerable.Range(1, 10).Select(i => fixture.Channel.BeginSession(new SessionId((uint)i)))];
        Task<VoucherMessage>[] vouching = [.. sessions.Select((session, i) => session.VouchAsync(100, i % 2 == 1 ? leaving.Token : CancellationToken.None))];
        await leaving.CancelAsync();
        for (int i = 0; i < vouching.Length; i += 2)
        {
            Assert.That(Total(await vouching[i]), Is.GreaterThan(0));
        }

        foreach (Task given in vouching.Where((_, i) => i % 2 == 1))
        {
            await given.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Assert.That(Total(await sessions[0].VouchAsync(200, CancellationToken.None)), Is.EqualTo(fixture.Channel.HighestTotal));
    }

    [Test]
    public async Task Observe_WhileASessionRuns_CountsAsOwedAndIsStoredWithTheNextVoucher()
    {
        await using Fixture fixture = new();
        ClientSession session = fixture.Channel.BeginSession(new SessionId(1));
        await session.VouchAsync(1_000, CancellationToken.None);
        session.Observe(700);
        session.Observe(600);
        ChannelSnapshot shown = ChannelSnapshot.Of(fixture.Channel);
        Assert.That((shown.Spent, shown.AtRisk, shown.LiveSessions), Is.EqualTo((700UL, 300UL, 1)), "the lead is what is vouched and not owed yet");
        await session.VouchAsync(1_700, CancellationToken.None);
        Assert.That(fixture.Store.Find(fixture.Channel.Channel)!.Due, Is.EqualTo(700), "a crash now forgets no more than what came since");
        await session.EndAsync(1_200, CancellationToken.None);
        shown = ChannelSnapshot.Of(fixture.Channel);
        Assert.That((shown.Spent, shown.AtRisk, shown.LiveSessions), Is.EqualTo((1_200UL, 500UL, 0)));
        Assert.That(fixture.Store.Find(fixture.Channel.Channel)!.Due, Is.EqualTo(1_200));
    }

    [Test]
    public async Task ReconcileAsync_ProviderClaimsMoreThanWasVouched_Throws()
    {
        await using Fixture fixture = new();
        await CutOffAsync(fixture.Channel, allocated: 500);
        await fixture.Channel.ReconcileAsync(500, 400, asking: null, CancellationToken.None);
        Assert.That(fixture.Channel.Record.Due, Is.EqualTo(400));
        foreach ((ulong total, ulong due) in new[] { (501UL, 0UL), (500UL, 501UL) })
        {
            PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(
                () => fixture.Channel.ReconcileAsync(total, due, asking: null, CancellationToken.None));
            Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Provider));
        }
    }

    [Test]
    public async Task ReconcileAsync_AfterALineWasCut_TakesTheStepThatWasServedOnCredit()
    {
        await using Fixture fixture = new();
        ClientSession cut = fixture.Channel.BeginSession(new SessionId(1), ahead: 100);
        await cut.VouchAsync(500, CancellationToken.None);
        cut.Observe(450);
        await cut.EndAsync(450, mayOweUpTo: 600, CancellationToken.None);
        ClientSession asking = fixture.Channel.BeginSession(new SessionId(2), ahead: 100);
        await asking.VouchAsync(100, CancellationToken.None);
        Assert.That(fixture.Channel.HighestTotal, Is.EqualTo(550), "a step beyond what is known to be owed");
        Assert.That(await fixture.Channel.ReconcileAsync(550, 600, asking, CancellationToken.None), Is.True, "more than was ever vouched, and possible");
        Assert.That(Total(await asking.VouchAsync(100, CancellationToken.None)), Is.EqualTo(700));
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => fixture.Channel.ReconcileAsync(700, 601, asking, CancellationToken.None));
        Assert.That(refused!.Code, Is.EqualTo(PaymentErrorCode.Provider));
    }

    [Test]
    public async Task Channel_AfterAKill_KnowsWhatASessionMayOweAndNoMore()
    {
        await using Fixture fixture = new();
        ClientSession whole = fixture.Channel.BeginSession(new SessionId(1), ahead: 100);
        await whole.VouchAsync(1_000, CancellationToken.None);
        await whole.EndAsync(600, CancellationToken.None);
        using (ClientChannel restarted = fixture.Restart())
        {
            await Assert.ThrowsAsync<PaymentException>(
                () => restarted.ReconcileAsync(1_000, 601, asking: null, CancellationToken.None), "a lead that no session used is ours after a restart too");
        }

        ClientSession killed = fixture.Channel.BeginSession(new SessionId(2), ahead: 100);
        await killed.VouchAsync(500, CancellationToken.None);
        using (ClientChannel restarted = fixture.Restart())
        {
            Assert.That(restarted.Record.Due, Is.EqualTo(600));
            await Assert.ThrowsAsync<PaymentException>(() => restarted.ReconcileAsync(1_100, 1_201, asking: null, CancellationToken.None));
            Assert.That(await restarted.ReconcileAsync(1_100, 1_200, asking: null, CancellationToken.None), Is.True);
        }
    }

    [Test]
    public async Task ReconcileAsync_AProviderThatCutsEverySession_IsBelievedOnceAndThenUpToTheLimit()
    {
        await using Fixture fixture = new(new SpendOptions { Unconfirmed = 300 });
        for (uint i = 1; i <= 4; i++)
        {
            ulong before = fixture.Channel.Record.Due;
            ClientSession cut = fixture.Channel.BeginSession(new SessionId(i), ahead: 100);
            await cut.VouchAsync(100, CancellationToken.None);
            await cut.EndAsync(0, mayOweUpTo: 200, CancellationToken.None);
            Task<bool> claim = fixture.Channel.ReconcileAsync(0, before + (i == 1 ? 200UL : 50), asking: null, CancellationToken.None);
            if (i < 4)
            {
                await claim;
                continue;
            }

            PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(() => claim);
            Assert.That((refused!.Code, fixture.Channel.Record.Due), Is.EqualTo((PaymentErrorCode.Provider, 300UL)));
            using ClientChannel restarted = fixture.Restart();
            await Assert.ThrowsAsync<PaymentException>(
                () => restarted.ReconcileAsync(0, before + 50, asking: null, CancellationToken.None), "nor after a restart");
        }
    }

    [Test]
    public async Task ReconcileAsync_SeveralSessionsCutOffBeforeTheFirstClaim_IsBelievedForOneAlone()
    {
        await using Fixture fixture = new(new SpendOptions { Unconfirmed = 250 });
        for (uint i = 1; i <= 5; i++)
        {
            ClientSession cut = fixture.Channel.BeginSession(new SessionId(i), ahead: 100);
            await cut.VouchAsync(100, CancellationToken.None);
            await cut.EndAsync(0, mayOweUpTo: i == 3 ? 300UL : 200, CancellationToken.None);
        }

        foreach (ulong due in new ulong[] { 1_100, 301 })
        {
            PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(
                () => fixture.Channel.ReconcileAsync(0, due, asking: null, CancellationToken.None));
            Assert.That((refused!.Code, fixture.Channel.Record.Due), Is.EqualTo((PaymentErrorCode.Provider, 0UL)));
        }

        Assert.That(await fixture.Channel.ReconcileAsync(0, 300, asking: null, CancellationToken.None), Is.True, "the largest of them");
        await Assert.ThrowsAsync<PaymentException>(() => fixture.Channel.ReconcileAsync(0, 400, asking: null, CancellationToken.None), "and no more");
    }

    [Test]
    public async Task ReconcileAsync_AProviderThatHasCountedWhatWasCutOff_HasHadItsSay()
    {
        await using Fixture fixture = new();
        await CutOffAsync(fixture.Channel, allocated: 500);
        for (uint i = 1; i <= 3; i++)
        {
            ClientSession asking = fixture.Channel.BeginSession(new SessionId(i));
            ClientSession? other = i == 1 ? fixture.Channel.BeginSession(new SessionId(50)) : null;
            Assert.That(await fixture.Channel.ReconcileAsync(500, 0, asking, CancellationToken.None), Is.False);
            await asking.EndAsync(0, CancellationToken.None);
            await (other?.EndAsync(0, CancellationToken.None) ?? Task.CompletedTask);
            ulong mayOwe = i == 3 ? 0UL : 500;
            Assert.That(fixture.Channel.Record.MayOwe, Is.EqualTo(mayOwe), i == 1 ? "another runs" : i == 2 ? "it may not have noticed yet" : "");
            fixture.Time.Advance(i == 1 ? TimeSpan.Zero : ClientChannel.SettledAfter);
        }

        await Assert.ThrowsAsync<PaymentException>(() => fixture.Channel.ReconcileAsync(500, 1, asking: null, CancellationToken.None));
        using ClientChannel restarted = fixture.Restart();
        await Assert.ThrowsAsync<PaymentException>(() => restarted.ReconcileAsync(500, 1, asking: null, CancellationToken.None), "nor after a restart");
    }

    [Test]
    public async Task AdoptAsync_TheStoreFails_OwesNoMoreThanIsVouched()
    {
        await using Fixture fixture = new();
        VoucherStatement own = new(fixture.Channel.Channel, 700, 1);
        await fixture.CloseStoreAsync();
        Assert.That(
            async () => await fixture.Channel.AdoptAsync(new SignedVoucher(own, own.Sign(fixture.Channel.PayKey)), due: 600, CancellationToken.None),
            Throws.Exception);
        ClientChannelRecord record = fixture.Channel.Record;
        Assert.That((record.HighestTotal, record.Due, record.MayOwe), Is.EqualTo((0UL, 0UL, 0UL)));
    }

    [Test]
    public async Task ReconcileAsync_SessionsThatEndedWhole_OweNothingMore()
    {
        await using Fixture fixture = new();
        ClientSession whole = fixture.Channel.BeginSession(new SessionId(1));
        await whole.VouchAsync(1_000, CancellationToken.None);
        await whole.EndAsync(10, CancellationToken.None);
        ClientSession asking = fixture.Channel.BeginSession(new SessionId(2));
        await asking.VouchAsync(1_000, CancellationToken.None);
        PaymentException? refused = await Assert.ThrowsAsync<PaymentException>(
            () => fixture.Channel.ReconcileAsync(1_010, 11, asking, CancellationToken.None), "the lead is ours, not the provider's to keep");
        Assert.That((refused!.Code, fixture.Channel.Record.Due), Is.EqualTo((PaymentErrorCode.Provider, 10UL)));
    }

    [Test]
    public async Task ReconcileAsync_AnotherSessionEndedThereFirst_IsNotCountedTwice()
    {
        await using Fixture fixture = new();
        ClientSession ending = fixture.Channel.BeginSession(new SessionId(1));
        await ending.VouchAsync(1_000, CancellationToken.None);
        ClientSession asking = fixture.Channel.BeginSession(new SessionId(2));
        await asking.VouchAsync(1_000, CancellationToken.None);
        await fixture.Channel.ReconcileAsync(2_000, carriedDue: 300, asking, CancellationToken.None);
        await ending.EndAsync(300, CancellationToken.None);
        await asking.EndAsync(50, CancellationToken.None);
        Assert.That(fixture.Channel.Record.Due, Is.EqualTo(350));
    }

    [Test]
    public async Task Close_AfterASessionWasCutOff_AgreesToWhatItReallyCost()
    {
        await using Fixture fixture = new();
        await CutOffAsync(fixture.Channel, allocated: 1_000);
        await fixture.Channel.ReconcileAsync(0, 120, asking: null, CancellationToken.None);
        VoucherStatement statement = fixture.Channel.FinalVoucher(agreed: null).Statement;
        Assert.That((statement.Total, statement.Nonce), Is.EqualTo((120UL, 2UL)));
    }

    private static async Task CutOffAsync(ClientChannel channel, ulong allocated)
    {
        ClientSession session = channel.BeginSession(new SessionId(99));
        await session.VouchAsync(allocated, CancellationToken.None);
        await session.EndAsync(0, mayOweUpTo: allocated, CancellationToken.None);
    }

    [Test]
    public async Task Channel_ClosingOrClosed_SignsNothingNewButRepeatsTheLast()
    {
        await using Fixture fixture = new();
        await fixture.Channel.SignVoucherAsync(500, [], CancellationToken.None);
        await fixture.Channel.UpdateAsync(record => record with { State = ChannelPhase.Closing }, CancellationToken.None);
        await Assert.ThrowsAsync<PaymentException>(() => fixture.Channel.SignVoucherAsync(501, [], CancellationToken.None));
        Assert.That(Total(await fixture.Channel.SignVoucherAsync(500, [], CancellationToken.None)), Is.EqualTo(500));
        Assert.That(() => fixture.Channel.BeginSession(new SessionId(1)), Throws.InstanceOf<PaymentException>());
    }

    [TestCase("0", "open", false)]
    [TestCase("gone", "opening", false)]
    [TestCase("gone late", "failed", false)]
    [TestCase("gone", "closed", true)]
    [TestCase("closing", "closing", true)]
    public void Follow_WhatTheChainShows_DecidesThePhase(string account, string expected, bool wasOpen)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        ClientChannelRecord record = Fixture.RecordOf(key) with { State = wasOpen ? ChannelPhase.Open : ChannelPhase.Opening };
        ChannelAccount shown = new(record.Channel, ContractCode.Channel, new ChannelState(true, 0, 0, record.Terms), 1_000_000_000, record.OpenBefore - 10, true);
        shown = account switch
        {
            "gone" => shown with { State = null },
            "gone late" => shown with { State = null, ChainTime = record.OpenBefore + 1 },
            "closing" => shown with { State = shown.State! with { CloseAt = 99 } },
            _ => shown,
        };
        Assert.That(ClientChannels.Follow(record, shown).State.ToString().ToLowerInvariant(), Is.EqualTo(expected));
    }

    /// <summary>
    /// Client and provider walk through any sequence of sessions together: nobody's total falls, both books agree on what was vouched,
    /// and what the provider may ever claim is never above what the client signed or the deposit holds.
    /// </summary>
    [Test]
    public void Books_AnySequenceOfSessions_ConserveMoney()
    {
        Gen<(int Kind, int Session, int Amount)> step =
            from kind in Gen.Choose(0, 3)
            from session in Gen.Choose(1, 3)
            from amount in Gen.Choose(1, 2_000)
            select (kind, session, amount);
        Prop.ForAll(Arb.From(Gen.ListOf(step)), steps => WalkAsync([.. steps]).GetAwaiter().GetResult()).Check(
            Config.QuickThrowOnFailure.WithMaxTest(40).WithEndSize(60));
    }

    private static async Task<bool> WalkAsync(IReadOnlyList<(int Kind, int Session, int Amount)> steps)
    {
        await using Fixture fixture = new();
        CreditPolicy credit = new(Maximum: 500, Step: 100);
        ChannelLedger provider = new(0, 0, Deposit);
        Dictionary<int, ClientSession> live = [];
        Dictionary<int, ulong> used = [];
        int next = 0;
        foreach ((int kind, int slot, int amount) in steps)
        {
            if (kind == 0 && !live.ContainsKey(slot))
            {
                live[slot] = fixture.Channel.BeginSession(new SessionId((UInt128)(++next)));
                used[slot] = 0;
            }
            else if (kind == 1 && live.TryGetValue(slot, out ClientSession? paying))
            {
                try
                {
                    VoucherMessage message = await paying.VouchAsync(paying.Allocated + (ulong)amount, CancellationToken.None);
                    provider.Apply(Total(message), message.ReadAllocations());
                }
                catch (PaymentException full) when (full.Code == PaymentErrorCode.Funds)
                {
                    continue;
                }

                provider.TryReserve(paying.Id, credit);
            }
            else if (kind == 2 && live.TryGetValue(slot, out ClientSession? working))
            {
                used[slot] = Math.Min(Math.Min(used[slot] + (ulong)amount, provider.GrantFor(working.Id)), Math.Max(used[slot], working.Allocated));
                provider.ReportDue(working.Id, used[slot]);
            }
            else if (kind == 3 && live.Remove(slot, out ClientSession? ending))
            {
                provider.End(ending.Id, used[slot]);
                await ending.EndAsync(used[slot], CancellationToken.None);
            }

            if (provider.Paid != fixture.Channel.HighestTotal || provider.Paid > Deposit || provider.Due > provider.Paid
                || fixture.Store.Find(fixture.Channel.Channel)!.HighestTotal != fixture.Channel.HighestTotal)
            {
                return false;
            }
        }

        return true;
    }

    private static ulong Total(VoucherMessage message) =>
        VoucherStatement.TryDecode(message.Statement.Span, out VoucherStatement statement) ? statement.Total : throw new AssertionException("not a voucher");

    internal sealed class Fixture : IAsyncDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly CocoonDatabase _database;
        private readonly SpendOptions _options;

        public Fixture(SpendOptions? options = null)
        {
            _options = options ?? new SpendOptions();
            _database = CocoonDatabase.Open(_directory.File("client.db"));
            Store = new ClientChannelStore(_database);
            Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            ClientChannelRecord record = RecordOf(key) with { State = ChannelPhase.Open };
            Store.AddAsync(record, CancellationToken.None).GetAwaiter().GetResult();
            Channel = new ClientChannel(Store, record, key, _options, Time);
        }

        /// <summary>The channel as a new process reads it, which knows nothing of what this one holds in memory.</summary>
        public ClientChannel Restart()
        {
            byte[] seed = new byte[Ed25519PrivateKey.SeedSize];
            Channel.PayKey.ExportSeed(seed);
            return new ClientChannel(Store, Store.Find(Channel.Channel)!, Ed25519PrivateKey.FromSeed(seed), _options, Time);
        }

        public ManualTimeProvider Time { get; } = new();

        public ClientChannelStore Store { get; }

        public ClientChannel Channel { get; }

        /// <summary>As when the disk is lost: nothing is written from now on.</summary>
        public ValueTask CloseStoreAsync() => _database.DisposeAsync();

        public static ClientChannelRecord RecordOf(Ed25519PrivateKey payKey)
        {
            using Ed25519PrivateKey provider = Ed25519PrivateKey.Generate();
            ChannelTerms terms = new(
                new TonAddress(0, ProviderFixture.Hash(2)), payKey.PublicKey, new TonAddress(0, ProviderFixture.Hash(1)), provider.PublicKey, 3_600, 1_800_000_060,
                1_800_604_800, Networks.DevnetGlobalId, 1);
            return ClientChannelRecord.Of(terms, PeerId.FromPublicKey(provider.PublicKey), Deposit, DateTimeOffset.UnixEpoch);
        }

        public async ValueTask DisposeAsync()
        {
            Channel.Dispose();
            await _database.DisposeAsync();
            _directory.Dispose();
        }
    }
}
