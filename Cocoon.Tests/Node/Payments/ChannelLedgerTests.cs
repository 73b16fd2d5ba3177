using Cocoon.Node.Payments;
using Cocoon.Protocol.Sessions.Proto;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

internal sealed class ChannelLedgerTests
{
    private const ulong Step = 1_000;
    private static readonly CreditPolicy Credit = new(Maximum: 50_000, Step);
    private static readonly SessionId First = new(1), Second = new(2);

    [Test]
    public void TryReserve_NothingVouched_IsDeclinedAsVoucher()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineVoucher));
        ledger.Apply(Step, [new(First, Step)]);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
    }

    [Test]
    public void TryReserve_BeyondDeposit_IsDeclinedAsFunds()
    {
        ChannelLedger ledger = new(paid: Step, due: 0, capacity: Step - 1);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineFunds));
    }

    [Test]
    public void TryReserve_CarriedDebtNotVouched_IsDeclinedAsVoucher()
    {
        ChannelLedger ledger = new(paid: Step, due: 5 * Step, capacity: 1_000_000);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineVoucher));
        Assert.That(ledger.AtRisk, Is.EqualTo(4 * Step));
    }

    [Test]
    public void GrantFor_TwoSessions_EachKeepsWhatWasAllocatedToIt()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        ledger.Apply(Step, [new(First, Step)]);
        ledger.TryReserve(First, Credit);
        ulong first = ledger.GrantFor(First);
        ledger.Apply(3 * Step, [new(First, Step), new(Second, 2 * Step)]);
        Assert.That(ledger.TryReserve(Second, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
        Assert.That(first, Is.EqualTo(Step + Credit.For(Step)));
        Assert.That(ledger.GrantFor(Second), Is.GreaterThanOrEqualTo(2 * Step));
    }

    [Test]
    public void GrantFor_ManyStepsOfCredit_RunsOneStepAheadOfWhatIsVouched()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 100_000_000);
        ledger.Apply(100 * Step, [new(First, Step)]);
        ledger.TryReserve(First, Credit);
        Assert.That(Credit.For(100 * Step), Is.EqualTo(10 * Step));
        Assert.That(ledger.GrantFor(First), Is.EqualTo(2 * Step), "should the line be cut, the client knows that no more was served");
    }

    [Test]
    public void TryReserve_AnOlderVoucherCameBetween_LeavesTheOthersWhatIsVouchedForThem()
    {
        const ulong each = Step / 4;
        ChannelLedger ledger = new(paid: 8 * each, due: 0, capacity: 1_000_000);
        ledger.Apply(8 * each, [new(First, each)]);
        Assert.That(ledger.TryReserve(First, Credit, each), Is.EqualTo(DeclineReason.DeclineUnspecified));
        Assert.That(ledger.GrantFor(First), Is.EqualTo(each + Step), "the whole credit");

        // The second request's voucher, then one of the same total from before it: vouchers travel on the streams of their sessions.
        ledger.Apply(8 * each, [new(First, each), new(Second, each)]);
        ledger.Apply(8 * each, [new(First, each)]);
        Assert.That(ledger.TryReserve(Second, Credit, each), Is.EqualTo(DeclineReason.DeclineUnspecified));
        Assert.That(ledger.GrantFor(Second), Is.EqualTo(each));
        for (uint i = 3; i <= 8; i++)
        {
            ledger.Apply(8 * each, [new(new SessionId(i), each)]);
            Assert.That(ledger.TryReserve(new SessionId(i), Credit, each), Is.EqualTo(DeclineReason.DeclineUnspecified), $"request {i}");
            Assert.That(ledger.GrantFor(new SessionId(i)), Is.EqualTo(each), $"request {i}");
        }
    }

    [Test]
    public void TryReserve_Declined_LeavesNothingOfWhatTheRequestNamed()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        ledger.Apply(20 * Step, [new(First, 15 * Step)]);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
        ledger.Capacity = Step;
        for (uint i = 10; i < 100; i++)
        {
            Assert.That(ledger.TryReserve(new SessionId(i), Credit, named: 20 * Step), Is.EqualTo(DeclineReason.DeclineFunds));
        }

        ledger.Capacity = 1_000_000;
        Assert.That(ledger.GrantFor(First), Is.GreaterThanOrEqualTo(15 * Step), "the declined ones hold nothing back");
    }

    [Test]
    public void TryReserve_AfterTheFinalDueOfAnother_UsesWhatThatOneLeft()
    {
        // A client that has seen the end of one answer counts its due, not its allocation, while the provider still closes that session.
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        ledger.Apply(Step, [new(First, Step)]);
        ledger.TryReserve(First, Credit);
        ulong granted = ledger.GrantFor(First);
        ledger.ReportFinalDue(First, 10);
        Assert.That(ledger.GrantFor(First), Is.EqualTo(granted), "a grant never falls");
        ledger.Apply(Step + 10, [new(First, 10), new(Second, Step)]);
        Assert.That(ledger.TryReserve(Second, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
        Assert.That(ledger.GrantFor(Second), Is.GreaterThanOrEqualTo(Step));
        Assert.That(ledger.End(First, 10), Is.True);
        Assert.That(ledger.CarriedDue, Is.EqualTo(10UL));
    }

    [Test]
    public void GrantFor_AfterManyVouchersThatCrossedTheirSessionsEnd_StillFollowsTheAllocation()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000_000);
        ulong total = 0;
        for (uint i = 1; i <= 4 * ChannelLedger.MaxSessions; i++)
        {
            SessionId session = new(i);
            ledger.Apply(total += Step, [new(session, Step)]);
            Assert.That(ledger.TryReserve(session, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
            ledger.End(session, Step);
            ledger.Apply(total, [new(session, Step)]);
        }

        SessionId fresh = new(1_000);
        ledger.Apply(total + (20 * Step), [new(fresh, 20 * Step)]);
        ledger.TryReserve(fresh, Credit);
        Assert.That(ledger.GrantFor(fresh), Is.GreaterThanOrEqualTo(20 * Step));
    }

    [Test]
    public void TryReserve_RequestsSmallerThanAStep_RunSideBySide()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        List<SessionAllocation> allocations = [];
        for (ulong i = 1; i <= 6; i++)
        {
            SessionId session = new(i);
            allocations.Add(new(session, Step / 4));
            ledger.Apply(i * (Step / 4), [.. allocations]);
            Assert.That(ledger.TryReserve(session, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified), $"number {i}");
            Assert.That(ledger.GrantFor(session), Is.GreaterThanOrEqualTo(Step / 4));
        }
    }

    [Test]
    public void GrantFor_AllocationsOfRequestsUnderWay_AreNotGivenToOthers()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        SessionAllocation[] all = [.. Enumerable.Range(1, 6).Select(i => new SessionAllocation(new SessionId((UInt128)i), Step / 4))];
        ledger.Apply(6 * (Step / 4), all);
        foreach (SessionAllocation allocation in all.Reverse())
        {
            Assert.That(ledger.TryReserve(allocation.Session, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified), $"number {allocation.Session}");
            Assert.That(ledger.GrantFor(allocation.Session), Is.GreaterThanOrEqualTo(Step / 4));
        }
    }

    [Test]
    public void Apply_SessionsThatEndedOrNeverCame_HoldNothingBack()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        SessionId never = new(3);
        ledger.Apply(3 * Step, [new(First, Step), new(never, 2 * Step)]);
        ledger.TryReserve(First, Credit);
        ledger.End(First, Step);
        ledger.Apply(4 * Step, [new(First, Step), new(Second, Step)]);
        Assert.That(ledger.TryReserve(Second, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
        Assert.That(ledger.GrantFor(Second), Is.EqualTo(Step + Credit.For(4 * Step)));
    }

    [Test]
    public void TryReserve_DustAllocatedToASecondSession_IsDeclinedAsVoucher()
    {
        ChannelLedger ledger = new(paid: 0, due: 0, capacity: 1_000_000);
        ledger.Apply(2, [new(First, 1), new(Second, 1)]);
        Assert.That(ledger.TryReserve(First, Credit), Is.EqualTo(DeclineReason.DeclineUnspecified));
        ledger.GrantFor(First);
        Assert.That(ledger.TryReserve(Second, Credit), Is.EqualTo(DeclineReason.DeclineVoucher));
    }

    [Test]
    public void GrantFor_SessionThatEnded_IsZero()
    {
        ChannelLedger ledger = new(paid: Step, due: 0, capacity: 1_000_000);
        ledger.TryReserve(First, Credit);
        ledger.End(First, 10);
        Assert.That(ledger.GrantFor(First), Is.Zero);
        Assert.That(ledger.Due, Is.EqualTo(10));
    }

    [Test]
    public void Apply_LowerOrEqualTotal_ChangesNothing()
    {
        ChannelLedger ledger = new(paid: 5 * Step, due: 0, capacity: 1_000_000);
        Assert.That(ledger.Apply(5 * Step, []), Is.False);
        Assert.That(ledger.Apply(Step, [new(First, Step)]), Is.False);
        Assert.That(ledger.Paid, Is.EqualTo(5 * Step));
    }

    [Test]
    public void TryBeginClose_LiveSessionOrBelowDue_IsRefused()
    {
        ChannelLedger ledger = new(paid: 2 * Step, due: 0, capacity: 1_000_000);
        ledger.TryReserve(First, Credit);
        Assert.That(ledger.TryBeginClose(2 * Step), Is.EqualTo(PayRefusal.SessionLive));
        ledger.End(First, Step);
        Assert.That(ledger.TryBeginClose(Step - 1), Is.EqualTo(PayRefusal.BelowDue));
        Assert.That(ledger.TryBeginClose(Step), Is.Null);
        Assert.That(ledger.TryReserve(Second, Credit), Is.EqualTo(DeclineReason.DeclineClosing));
    }

    [Test]
    public void CreditPolicy_Newcomer_IsBounded()
    {
        CreditPolicy generous = new(Maximum: 100_000_000, Step: 5_000_000);
        Assert.Multiple(() =>
        {
            Assert.That(generous.For(0), Is.Zero);
            Assert.That(generous.For(1), Is.EqualTo(CreditPolicy.NewcomerCredit));
            Assert.That(generous.For(CreditPolicy.NewcomerUntil), Is.EqualTo(5_000_000));
            Assert.That(generous.For(1_000_000_000), Is.EqualTo(100_000_000));
        });
    }

    /// <summary>Whatever the order of vouchers, reports and ends: totals never fall, and what runs ahead of the vouchers is bounded.</summary>
    [Test]
    public void Ledger_AnySequence_KeepsItsInvariants()
    {
        Gen<(int Kind, int Session, int Amount)> operation =
            from kind in Gen.Choose(0, 5)
            from session in Gen.Choose(1, 4)
            from amount in Gen.Choose(0, 4_000)
            select (kind, session, amount);
        Prop.ForAll(Arb.From(Gen.ListOf(operation)), operations => Run([.. operations])).Check(
            Config.QuickThrowOnFailure.WithMaxTest(500).WithEndSize(200));
    }

    private static bool Run(IReadOnlyList<(int Kind, int Session, int Amount)> operations)
    {
        const ulong Capacity = 40_000;
        ChannelLedger ledger = new(0, 0, Capacity);
        ulong paid = 0, ended = 0;
        Dictionary<SessionId, ulong> granted = [], dues = [];
        foreach ((int kind, int number, int amount) in operations)
        {
            SessionId session = new((UInt128)number);
            switch (kind)
            {
                case 0:
                    ulong total = Math.Min(Capacity, ledger.Paid + (ulong)amount - Math.Min(ledger.Paid, 500));
                    ledger.Apply(total, [new(session, (ulong)amount)]);
                    paid = Math.Max(paid, total);
                    break;
                case 1:
                    if (ledger.TryReserve(session, Credit) == DeclineReason.DeclineUnspecified)
                    {
                        dues[session] = 0;
                        granted[session] = 0;
                    }

                    break;
                case 2 or 3 when dues.ContainsKey(session):
                    ulong grant = ledger.GrantFor(session);
                    if (grant < granted[session])
                    {
                        return false;
                    }

                    bool grew = grant > granted[session];
                    granted[session] = grant;
                    ulong committed = ended;
                    foreach (ulong one in granted.Values)
                    {
                        committed += one;
                    }

                    if (grew && committed > Math.Min(Capacity, paid + Credit.For(paid)))
                    {
                        return false;
                    }

                    break;
                case 4 when dues.TryGetValue(session, out ulong due):
                    dues[session] = Math.Max(due, Math.Min((ulong)amount, granted[session]));
                    ledger.ReportDue(session, dues[session]);
                    break;
                case 5 when dues.Remove(session, out ulong last):
                    ledger.End(session, last);
                    ended += last;
                    granted.Remove(session);
                    break;
            }

            ulong live = 0;
            foreach (ulong one in dues.Values)
            {
                live += one;
            }

            if (ledger.Paid != paid || ledger.Due != ended + live || ledger.AtRisk > Credit.For(paid))
            {
                return false;
            }
        }

        return true;
    }
}
