using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Payments;

/// <summary>The provider's book of one channel: what was vouched, what is owed, and what may run. Arithmetic only: no keys, disk or chain.</summary>
/// <remarks>
/// Not thread-safe: its owner holds one lock per channel. All amounts are nanoTON, cumulative since the channel opened.
/// <list type="bullet">
/// <item>paid = highest total; it never falls.</item>
/// <item>due = Σ ended + Σ live sessions.</item>
/// <item>Σ ended + Σ grants ≤ min(paid + credit, capacity) whenever a grant grows.</item>
/// </list>
/// </remarks>
internal sealed class ChannelLedger(ulong paid, ulong due, ulong capacity)
{
    /// <summary>Sessions that may run on one channel at a time.</summary>
    public const int MaxSessions = 64;

    private readonly Dictionary<SessionId, Live> _live = [];
    private readonly Dictionary<SessionId, ulong> _allocations = [];

    /// <summary>Sessions that ended here and that a voucher under way may still name.</summary>
    private readonly Queue<SessionId> _over = [];
    private ulong _ended = due;

    /// <summary>The highest voucher total held.</summary>
    public ulong Paid { get; private set; } = paid;

    /// <summary>What the contract could pay over its life: claimed + balance − reserve, when last seen.</summary>
    public ulong Capacity { get; set; } = capacity;

    /// <summary>After this nothing new starts; set before a <c>CloseAck</c> is signed.</summary>
    public bool Closing { get; private set; }

    public int LiveSessions => _live.Count;

    /// <summary>Owed by ended sessions alone.</summary>
    public ulong CarriedDue => _ended;

    public ulong Due => _ended + Sum(_live.Values, live => live.Due);

    /// <summary>Served and not vouched: what is lost when the client never signs again.</summary>
    public ulong AtRisk => Due > Paid ? Due - Paid : 0;

    /// <summary>Takes a verified voucher into the book; a lower total changes nothing, an equal one only the allocations.</summary>
    /// <returns>Whether <see cref="Paid"/> grew.</returns>
    public bool Apply(ulong total, ReadOnlySpan<SessionAllocation> allocations)
    {
        if (total < Paid)
        {
            return false;
        }

        ForgetEnded(allocations);
        foreach (SessionAllocation allocation in allocations)
        {
            if (allocation.NanoTon > total || _over.Contains(allocation.Session)
                || (!_allocations.ContainsKey(allocation.Session) && _allocations.Count >= 2 * MaxSessions))
            {
                continue;
            }

            _allocations[allocation.Session] = Math.Max(allocation.NanoTon, _allocations.GetValueOrDefault(allocation.Session));
        }

        bool grew = total > Paid;
        Paid = total;
        return grew;
    }

    /// <summary>Sets one step aside for a new session, or names the reason why not.</summary>
    /// <remarks>
    /// A client that allocates less than a step to the session cannot owe more for it: then that much is set aside, so that many small
    /// requests run side by side. All places of a channel together still cost a step at least.
    /// </remarks>
    /// <param name="session">The new session.</param>
    /// <param name="credit">As its quote says.</param>
    /// <param name="named">What the request's own voucher allocates to it: an older voucher that came later may have made it forgotten.</param>
    public DeclineReason TryReserve(SessionId session, CreditPolicy credit, ulong named = 0)
    {
        if (Closing)
        {
            return DeclineReason.DeclineClosing;
        }

        if (_live.ContainsKey(session))
        {
            return DeclineReason.DeclineMalformed;
        }

        if (_live.Count >= MaxSessions)
        {
            return DeclineReason.DeclineSlots;
        }

        if (Paid == 0)
        {
            return DeclineReason.DeclineVoucher;
        }

        bool isNamed = named > 0 && named <= Paid && !_over.Contains(session);
        bool isKnown = _allocations.TryGetValue(session, out ulong allocated);
        allocated = isNamed ? Math.Max(named, allocated) : allocated;
        ulong reserved = isNamed || isKnown
            ? Math.Clamp(allocated, (credit.Step + MaxSessions - 1) / MaxSessions, credit.Step)
            : credit.Step;
        ulong needed = Committed(except: null) + reserved;
        if (needed > Capacity)
        {
            return DeclineReason.DeclineFunds;
        }

        if (needed > Paid + credit.For(Paid))
        {
            return DeclineReason.DeclineVoucher;
        }

        if (isNamed)
        {
            _allocations[session] = allocated;
        }

        _live.Add(session, new Live(credit, reserved));
        return DeclineReason.DeclineUnspecified;
    }

    /// <summary>The cumulative due up to which the session may run now; it only grows. 0 for a session that is not live.</summary>
    /// <remarks>
    /// A step beyond what was vouched for it, however much more the channel is lent in all: when a client's line is cut, that and no more was
    /// served unseen, and both sides know it.
    /// </remarks>
    public ulong GrantFor(SessionId session)
    {
        if (!_live.TryGetValue(session, out Live? live))
        {
            return 0;
        }

        if (live.IsFinal)
        {
            return live.Granted;
        }

        ulong credit = live.Credit.For(Paid);
        ulong budget = Math.Min(Paid + credit, Capacity);
        ulong others = Committed(except: session) + AwaitedAllocations();
        ulong remainder = budget > others ? budget - others : 0;

        // Credit is one for the channel. What is vouched beyond the allocations is the client's to allocate to its next request.
        ulong lent = Sum(_live.Where(l => l.Key != session && !l.Value.IsFinal), l => Above(l.Value.Granted, _allocations.GetValueOrDefault(l.Key)));
        ulong ahead = Math.Min(Above(credit, lent), live.Credit.Step);
        ulong wanted = _allocations.TryGetValue(session, out ulong allocated) ? allocated + ahead
            : _allocations.Count == 0 ? remainder
            : ahead;
        live.Granted = Math.Max(live.Granted, Math.Min(wanted, remainder));
        return live.Granted;
    }

    /// <summary>What was granted so far, without granting more.</summary>
    public ulong GrantedTo(SessionId session) => _live.TryGetValue(session, out Live? live) ? live.Granted : 0;

    /// <summary>What the enclave says the session owes so far.</summary>
    public void ReportDue(SessionId session, ulong sessionDue)
    {
        if (_live.TryGetValue(session, out Live? live))
        {
            live.Due = Math.Max(live.Due, sessionDue);
        }
    }

    /// <summary>The enclave's last word: this much and no more, so what was granted beyond it is free for others before the session is over.</summary>
    public void ReportFinalDue(SessionId session, ulong sessionDue)
    {
        if (_live.TryGetValue(session, out Live? live))
        {
            (live.Due, live.IsFinal) = (sessionDue, true);
        }
    }

    /// <summary>Moves the session to the ended ones with its exact due (live figures may be rounded up).</summary>
    /// <returns>Whether it was live.</returns>
    public bool End(SessionId session, ulong sessionDue)
    {
        if (!_live.Remove(session))
        {
            return false;
        }

        _ = _allocations.Remove(session);
        _over.Enqueue(session);
        if (_over.Count > MaxSessions)
        {
            _over.Dequeue();
        }

        _ended = checked(_ended + sessionDue);
        return true;
    }

    /// <summary>What the session owes as last reported; the amount to end it with when the enclave died without a settlement.</summary>
    public ulong DueOf(SessionId session) => _live.TryGetValue(session, out Live? live) ? live.Due : 0;

    /// <summary>Sets <see cref="Closing"/> when nothing runs and <paramref name="total"/> covers what is owed.</summary>
    public PayRefusal? TryBeginClose(ulong total)
    {
        if (_live.Count > 0)
        {
            return PayRefusal.SessionLive;
        }

        if (total < Due)
        {
            return PayRefusal.BelowDue;
        }

        Closing = true;
        return null;
    }

    /// <summary>The client signed that it owes this much: what a crash of ours had forgotten of it is in the book again.</summary>
    public void SettleAt(ulong total) => _ended = Math.Max(_ended, total);

    /// <summary>Undoes <see cref="TryBeginClose"/> when its flag could not be stored, so that no ack left.</summary>
    public void AbandonClose() => Closing = false;

    /// <summary>For a channel that stored its flag in an earlier run, or is closing on chain.</summary>
    public void MarkClosing() => Closing = true;

    /// <summary>
    /// Keeps the allocations of live sessions and of those that the newest voucher names: the others ended on the client's side before
    /// they began here.
    /// </summary>
    private void ForgetEnded(ReadOnlySpan<SessionAllocation> named)
    {
        HashSet<SessionId> kept = [.. _live.Keys];
        foreach (SessionAllocation allocation in named)
        {
            kept.Add(allocation.Session);
        }

        foreach (SessionId session in _allocations.Keys.Where(id => !kept.Contains(id)).ToArray())
        {
            _allocations.Remove(session);
        }
    }

    /// <summary>Vouched for sessions whose requests are still on their way: not for others to use.</summary>
    private ulong AwaitedAllocations() => Sum(_allocations.Where(a => !_live.ContainsKey(a.Key)), a => a.Value);

    private ulong Committed(SessionId? except)
    {
        ulong sum = _ended;
        foreach ((SessionId id, Live live) in _live)
        {
            if (id != except)
            {
                sum += live.IsFinal ? live.Due : Math.Max(Math.Max(live.Granted, live.Due), live.Granted == 0 ? live.Reserved : 0);
            }
        }

        return sum;
    }

    private static ulong Above(ulong value, ulong floor) => value > floor ? value - floor : 0;

    private static ulong Sum<T>(IEnumerable<T> items, Func<T, ulong> amount)
    {
        ulong sum = 0;
        foreach (T item in items)
        {
            sum += amount(item);
        }

        return sum;
    }

    private sealed class Live(CreditPolicy credit, ulong reserved)
    {
        public CreditPolicy Credit { get; } = credit;

        public ulong Reserved { get; } = reserved;

        public ulong Due { get; set; }

        public ulong Granted { get; set; }

        public bool IsFinal { get; set; }
    }
}
