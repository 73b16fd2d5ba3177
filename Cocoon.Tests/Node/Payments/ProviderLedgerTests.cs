using Cocoon.Node.Payments;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Tests.EndToEnd;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

internal sealed class ProviderLedgerTests
{
    private const ulong Step = 1_000_000;

    private static readonly SessionId Session = new(9);

    [TestCase("payout", DeclineReason.DeclineChannel)]
    [TestCase("provider key", DeclineReason.DeclineChannel)]
    [TestCase("network", DeclineReason.DeclineChannel)]
    [TestCase("challenge", DeclineReason.DeclineChannel)]
    [TestCase("weak pay key", DeclineReason.DeclineChannel)]
    [TestCase("not opened", DeclineReason.DeclineChannel)]
    [TestCase("closing", DeclineReason.DeclineClosing)]
    [TestCase("code", DeclineReason.DeclineChannel)]
    [TestCase("address", DeclineReason.DeclineChannel)]
    [TestCase("deposit", DeclineReason.DeclineFunds)]
    [TestCase("expiry", DeclineReason.DeclineExpired)]
    [TestCase("missing", DeclineReason.DeclineChannel)]
    public async Task VerifyAsync_OneThingWrong_IsRefusedWithItsReason(string what, DeclineReason expected)
    {
        await using ProviderFixture fixture = new();
        ChannelTerms terms = fixture.Terms;
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        byte[] identityPoint = new byte[32];
        identityPoint[0] = 1;
        terms = what switch
        {
            "payout" => terms with { Payout = new TonAddress(0, ProviderFixture.Hash(8)) },
            "provider key" => terms with { ProviderKey = other.PublicKey },
            "network" => terms with { GlobalId = TonNetwork.Mainnet.GlobalId },
            "challenge" => terms with { Challenge = 3_599 },
            "weak pay key" => terms with { PayKey = new Ed25519PublicKey(identityPoint) },
            "expiry" => terms with { ExpiresAt = fixture.Chain.Now + 7_000 },
            _ => terms,
        };
        ChannelAccount account = fixture.Chain.Open(terms, what == "deposit" ? 1_000UL : 1_000_000_000);
        fixture.Chain.Accounts[account.Channel] = what switch
        {
            "not opened" => account with { State = account.State! with { Opened = false } },
            "closing" => account with { State = account.State! with { CloseAt = fixture.Chain.Now + 3_600 } },
            "code" => account with { Code = ContractCode.Registry },
            "address" => account with { State = account.State! with { Terms = terms with { Salt = 8 } } },
            "missing" => account with { State = null, Code = null },
            _ => account,
        };
        ChannelAcceptance verdict = await fixture.Ledger.VerifyAsync(account.Channel, CancellationToken.None);
        Assert.That((verdict as ChannelAcceptance.Refused)?.Reason, Is.EqualTo(expected));
        Assert.That(fixture.Store.Find(account.Channel), what is "closing" or "expiry" ? Is.Not.Null : Is.Null);
    }

    [Test]
    public async Task AcceptVoucherAsync_Valid_IsDurableWhenAnswered()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        VoucherOutcome outcome = await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, Step), CancellationToken.None);
        Assert.That(outcome, Is.EqualTo(new VoucherOutcome.Held(Step, Grew: true)));
        await fixture.RestartAsync();
        Assert.That(fixture.Ledger.Find(channel.Channel)!.HighestTotal, Is.EqualTo(Step));
        Assert.That(fixture.Ledger.Find(channel.Channel)!.Record.Voucher!.Verify(fixture.PayKey.PublicKey), Is.True);
    }

    [Test]
    public async Task AcceptVoucherAsync_LowerEqualOrReplayed_ChangesNothing()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        VoucherMessage first = fixture.Voucher(channel.Channel, Step), second = fixture.Voucher(channel.Channel, 2 * Step);
        await channel.AcceptVoucherAsync(first, CancellationToken.None);
        await channel.AcceptVoucherAsync(second, CancellationToken.None);
        foreach (VoucherMessage again in new[] { first, second, fixture.Voucher(channel.Channel, 2 * Step, nonce: 77) })
        {
            VoucherOutcome outcome = await channel.AcceptVoucherAsync(again, CancellationToken.None);
            Assert.That(outcome, Is.EqualTo(new VoucherOutcome.Held(2 * Step, Grew: false)));
        }

        Assert.That(channel.Record.Vouchers, Is.EqualTo(2));
    }

    [Test]
    public async Task AcceptVoucherAsync_ALowerTotalThatNobodySigned_IsRefusedAsAHigherOneIs()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 2 * Step), CancellationToken.None);
        using Ed25519PrivateKey stranger = Ed25519PrivateKey.Generate();
        VoucherOutcome outcome = await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 1, stranger), CancellationToken.None);
        Assert.That((outcome as VoucherOutcome.Refused)?.Fault, Is.EqualTo(VoucherFault.Signature));
    }

    /// <summary>An answer ends while the voucher that came in its middle is being flushed: that one is claimed, not the one before.</summary>
    [Test]
    public async Task AcceptVoucherAsync_ItsSessionEndsWhileItIsStored_CountsAllTheSame()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, Step), CancellationToken.None);
        using ManualResetEventSlim disk = new();
        Task busy = fixture.Database.WriteAsync(_ => disk.Wait(), CancellationToken.None);
        using CancellationTokenSource ending = new();
        Task<VoucherOutcome> accepting = channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 2 * Step), ending.Token);
        await ending.CancelAsync();
        Assert.That(async () => await accepting, Throws.InstanceOf<OperationCanceledException>());
        disk.Set();
        await busy;

        // The same voucher once more waits for the write that is under way.
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 2 * Step), CancellationToken.None);
        Assert.That((channel.HighestTotal, channel.Record.Voucher!.Statement.Total, channel.Record.Vouchers), Is.EqualTo((2 * Step, 2 * Step, 2L)));
    }

    [TestCase("other channel", VoucherFault.OtherChannel)]
    [TestCase("other network", VoucherFault.OtherChannel)]
    [TestCase("other key", VoucherFault.Signature)]
    [TestCase("flipped bit", VoucherFault.Signature)]
    [TestCase("overdraft", VoucherFault.Overdraft)]
    [TestCase("short", VoucherFault.Malformed)]
    [TestCase("too large", VoucherFault.Malformed)]
    [TestCase("many allocations", VoucherFault.Malformed)]
    [TestCase("grant over cap", VoucherFault.Grant)]
    [TestCase("grant of other channel", VoucherFault.Grant)]
    [TestCase("grant not signed", VoucherFault.Signature)]
    [TestCase("grant to weak key", VoucherFault.Signature)]
    public async Task AcceptVoucherAsync_Wrong_IsRefusedAndNothingIsKept(string what, VoucherFault expected)
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        byte[] identityPoint = new byte[32];
        identityPoint[0] = 1;
        CellHash elsewhere = new ChannelContract(fixture.Terms with { GlobalId = TonNetwork.Testnet.GlobalId }).Address.Id;
        VoucherMessage message = what switch
        {
            "other channel" => fixture.Voucher(ProviderFixture.Hash(5), Step),
            "other network" => fixture.Voucher(elsewhere, Step),
            "other key" => fixture.Voucher(channel.Channel, Step, other),
            "overdraft" => fixture.Voucher(channel.Channel, 1_000_000_001),
            "too large" => fixture.Voucher(channel.Channel, ulong.MaxValue),
            "grant over cap" => Granted(fixture, channel, other, cap: Step - 1, other.PublicKey),
            "grant of other channel" => Granted(fixture, channel, other, cap: Step, other.PublicKey, ProviderFixture.Hash(6)),
            "grant to weak key" => Granted(fixture, channel, other, cap: Step, new Ed25519PublicKey(identityPoint)),
            "grant not signed" => Granted(fixture, channel, other, cap: Step, other.PublicKey, signer: other),
            _ => fixture.Voucher(channel.Channel, Step),
        };
        switch (what)
        {
            case "flipped bit":
                byte[] signature = message.Signature.ToByteArray();
                signature[10] ^= 1;
                message.Signature = ByteString.CopyFrom(signature);
                break;
            case "short":
                message.Statement = ByteString.CopyFrom(message.Statement.Span[..51]);
                break;
            case "many allocations":
                message.Allocations.AddRange(Enumerable.Repeat(new Allocation(), 65));
                break;
        }

        VoucherOutcome outcome = await channel.AcceptVoucherAsync(message, CancellationToken.None);
        Assert.That((outcome as VoucherOutcome.Refused)?.Fault, Is.EqualTo(expected));
        Assert.That(fixture.Store.Find(channel.Channel)!.Voucher, Is.Null);
        Assert.That(channel.HighestTotal, Is.Zero);
    }

    [Test]
    public async Task AcceptVoucherAsync_BeyondTheDepositBeforeATopUp_IsJudgedByAFreshReadingOnce()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync(spendable: 50_000_000);
        VoucherMessage more = fixture.Voucher(channel.Channel, 60_000_000);
        int reads = fixture.Chain.Reads;
        for (int i = 0; i < 5; i++)
        {
            Assert.That(await fixture.Ledger.AcceptVoucherAsync(channel, more, CancellationToken.None), Is.InstanceOf<VoucherOutcome.Refused>());
        }

        Assert.That(fixture.Chain.Reads, Is.EqualTo(reads + 1), "a client cannot make us read the chain as often as it likes");
        fixture.Chain.Open(fixture.Terms, spendable: 100_000_000);
        fixture.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.That(await fixture.Ledger.AcceptVoucherAsync(channel, more, CancellationToken.None), Is.InstanceOf<VoucherOutcome.Held>());
    }

    [Test]
    public async Task AcceptVoucherAsync_SessionKeyWithinItsGrant_IsHeldAcrossRestart()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        using Ed25519PrivateKey session = Ed25519PrivateKey.Generate();
        VoucherOutcome outcome = await channel.AcceptVoucherAsync(Granted(fixture, channel, session, cap: Step, session.PublicKey), CancellationToken.None);
        Assert.That(outcome, Is.EqualTo(new VoucherOutcome.Held(Step, Grew: true)));
        await fixture.RestartAsync();
        Assert.That(fixture.Ledger.Find(channel.Channel)!.Record.Voucher!.Verify(fixture.PayKey.PublicKey), Is.True);
    }

    [Test]
    public async Task TryReserveSession_FollowsTheRulesOfTheBook()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        Assert.That(Reason(channel.TryReserveSession(Session, Step)), Is.EqualTo(DeclineReason.DeclineVoucher));
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, Step), CancellationToken.None);
        Assert.That(channel.TryReserveSession(Session, Step), Is.EqualTo(new ReservationOutcome.Reserved(Step, 0)));
        Assert.That(channel.GrantFor(Session), Is.EqualTo(Step + CreditPolicy.NewcomerCredit));
        await channel.EndSessionAsync(Session, 400_000, CancellationToken.None);
        await fixture.RestartAsync();
        Assert.That(fixture.Ledger.Find(channel.Channel)!.Exposure.Due, Is.EqualTo(400_000));
    }

    [Test]
    public async Task ChainOutage_NoNewSessionAfterAQuarterOfTheChallenge_AndNothingUnpaidAfterHalf()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, Step), CancellationToken.None);
        fixture.Chain.Unreachable = true;
        fixture.Time.Advance(TimeSpan.FromSeconds(800));
        Assert.That(await fixture.Ledger.VerifyAsync(channel.Channel, CancellationToken.None), Is.InstanceOf<ChannelAcceptance.Accepted>());
        Assert.That(channel.TryReserveSession(Session, Step), Is.InstanceOf<ReservationOutcome.Reserved>());
        ulong granted = channel.GrantFor(Session);
        fixture.Time.Advance(TimeSpan.FromSeconds(200));
        ChannelAcceptance verdict = await fixture.Ledger.VerifyAsync(channel.Channel, CancellationToken.None);
        Assert.That((verdict as ChannelAcceptance.Refused)?.Reason, Is.EqualTo(DeclineReason.DeclineChain));
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 5 * Step), CancellationToken.None);
        Assert.That(channel.GrantFor(Session), Is.GreaterThan(granted));
        ulong before = channel.GrantFor(Session);
        fixture.Time.Advance(TimeSpan.FromSeconds(900));
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 50 * Step), CancellationToken.None);
        Assert.That(channel.GrantFor(Session), Is.EqualTo(before));
    }

    [Test]
    public async Task VerifyAsync_UnknownChannelWhileTheChainIsAway_IsRefusedAsChain()
    {
        await using ProviderFixture fixture = new();
        fixture.Chain.Unreachable = true;
        ChannelAcceptance verdict = await fixture.Ledger.VerifyAsync(ProviderFixture.Hash(3), CancellationToken.None);
        Assert.That((verdict as ChannelAcceptance.Refused)?.Reason, Is.EqualTo(DeclineReason.DeclineChain));
    }

    [Test]
    public async Task RefreshAsync_EndpointContradictsItself_IsNotBelieved()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        ChannelAccount account = fixture.Chain.Accounts[channel.Channel];
        fixture.Chain.Accounts[channel.Channel] = account with { State = account.State! with { Claimed = 500 } };
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        fixture.Chain.Accounts[channel.Channel] = account;
        Assert.That(async () => await fixture.Ledger.RefreshAsync(channel, CancellationToken.None), Throws.InstanceOf<TonException>());
        Assert.That(channel.Record.Claimed, Is.EqualTo(500));
    }

    [Test]
    public async Task VerifyAsync_OnlyOneUnprovenEndpoint_CountsForLittle()
    {
        await using ProviderFixture fixture = new();
        ChannelAccount account = fixture.Chain.Open(fixture.Terms, 1_000_000_000);
        fixture.Chain.Accounts[account.Channel] = account with { Corroborated = false };
        ChannelAcceptance.Accepted accepted = (ChannelAcceptance.Accepted)await fixture.Ledger.VerifyAsync(account.Channel, CancellationToken.None);
        VoucherOutcome outcome = await accepted.Channel.AcceptVoucherAsync(
            fixture.Voucher(account.Channel, fixture.Options.UncorroboratedLimit + 1), CancellationToken.None);
        Assert.That((outcome as VoucherOutcome.Refused)?.Fault, Is.EqualTo(VoucherFault.Overdraft));
    }

    /// <summary>A request holds the channel that it was shown while another channel takes its place: there must never be two books of one channel.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public async Task VerifyAsync_AFullTable_NeverKeepsTwoBooksOfOneChannel(bool whileStoring)
    {
        await using ProviderFixture fixture = new() { Options = new ProviderOptions { MaxChannels = 1 } };
        await fixture.RestartAsync();
        ProviderChannel held = await fixture.AcceptAsync();
        VoucherMessage voucher = fixture.Voucher(held.Channel, 20 * Step);
        CellHash other = fixture.Chain.Open(fixture.Terms with { Salt = 8 }, 1_000_000_000).Channel;
        using ManualResetEventSlim disk = new();
        Task busy = fixture.Database.WriteAsync(_ => disk.Wait(), CancellationToken.None);
        Task<VoucherOutcome>? storing = whileStoring ? held.AcceptVoucherAsync(voucher, CancellationToken.None) : null;
        Task<ChannelAcceptance> another = fixture.Ledger.VerifyAsync(other, CancellationToken.None);
        try
        {
            await Eventually.TrueAsync(
                "its place is asked for", () => another.IsCompleted || fixture.Ledger.Find(held.Channel) is null, TimeSpan.FromSeconds(60), CancellationToken.None);
        }
        finally
        {
            disk.Set();
        }

        await busy;
        Assert.That(await another is ChannelAcceptance.Accepted, Is.Not.EqualTo(whileStoring), "a place in use is not given away");
        await (storing ?? held.AcceptVoucherAsync(voucher, CancellationToken.None));
        ProviderChannel known = ((ChannelAcceptance.Accepted)await fixture.Ledger.VerifyAsync(held.Channel, CancellationToken.None)).Channel;
        await known.AcceptVoucherAsync(voucher, CancellationToken.None);
        Assert.That(known.TryReserveSession(new SessionId(1), Step), Is.InstanceOf<ReservationOutcome.Reserved>());
        Assert.That(ReferenceEquals(known, held), Is.EqualTo(whileStoring));
        Assert.That(held.TryReserveSession(new SessionId(2), Step) is ReservationOutcome.Reserved, Is.EqualTo(whileStoring));
        Assert.That(await held.BeginCloseAsync(20 * Step, CancellationToken.None), Is.Not.Null, "nor is its end agreed to on the one that is not kept");
    }

    /// <summary>The lead that a client never used stays unclaimed when a channel closes: that must not fill the table for ever.</summary>
    [Test]
    public async Task VerifyAsync_ATableFullOfEndedChannels_MakesRoom()
    {
        await using ProviderFixture fixture = new() { Options = new ProviderOptions { MaxChannels = 1 } };
        await fixture.RestartAsync();
        ProviderChannel ended = await fixture.AcceptAsync();
        await ended.AcceptVoucherAsync(fixture.Voucher(ended.Channel, Step), CancellationToken.None);
        fixture.Chain.Accounts.Clear();
        await fixture.Ledger.RefreshAsync(ended, CancellationToken.None);
        CellHash other = fixture.Chain.Open(fixture.Terms with { Salt = 8 }, 1_000_000_000).Channel;
        Assert.That(await fixture.Ledger.VerifyAsync(other, CancellationToken.None), Is.InstanceOf<ChannelAcceptance.Accepted>());
    }

    private static DeclineReason? Reason(ReservationOutcome outcome) => (outcome as ReservationOutcome.Declined)?.Reason;

    private static VoucherMessage Granted(
        ProviderFixture fixture, ProviderChannel channel, Ed25519PrivateKey session, ulong cap, Ed25519PublicKey to, CellHash? of = null, Ed25519PrivateKey? signer = null)
    {
        VoucherStatement statement = new(channel.Channel, Step, 1);
        GrantStatement grant = new(of ?? channel.Channel, to, cap);
        VoucherMessage message = new SignedVoucher(statement, statement.Sign(session)).ToMessage();
        message.Grant = new Grant
        {
            Statement = ByteString.CopyFrom(grant.ToBytes()),
            Signature = ByteString.CopyFrom(grant.Sign(signer ?? fixture.PayKey).Signature),
        };
        return message;
    }

    [Test]
    public async Task BeginCloseAsync_AtWhatACrashHadForgotten_PutsItIntoTheBook()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 4 * Step), CancellationToken.None);
        Assert.That(await channel.BeginCloseAsync(3 * Step, CancellationToken.None), Is.Null);
        Assert.That(channel.Record.Due, Is.EqualTo(3 * Step), "the client's signature says that it owes this");
        await fixture.RestartAsync();
        Assert.That(fixture.Ledger.Channels.Single().Record.Due, Is.EqualTo(3 * Step));
    }

    [Test]
    public async Task BeginCloseAsync_AtWhatWasClaimed_SaysNothingOfWhatIsOwed()
    {
        await using ProviderFixture fixture = new();
        ProviderChannel channel = await fixture.AcceptAsync();
        await channel.AcceptVoucherAsync(fixture.Voucher(channel.Channel, 4 * Step), CancellationToken.None);
        ChannelAccount account = fixture.Chain.Accounts[channel.Channel];
        fixture.Chain.Accounts[channel.Channel] = account with { State = account.State! with { Claimed = 4 * Step } };
        await fixture.Ledger.RefreshAsync(channel, CancellationToken.None);
        Assert.That(await channel.BeginCloseAsync(4 * Step, CancellationToken.None), Is.Null);
        Assert.That(channel.Record.Due, Is.Zero);
    }
}
