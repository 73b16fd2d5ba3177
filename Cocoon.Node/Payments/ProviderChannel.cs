using Cocoon.Node.Diagnostics;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>A verified channel in which this node is paid: one book under one lock, and what is durable of it.</summary>
/// <remarks>
/// Thread-safe. Nothing is counted as paid before it is on the disk; nothing is signed away before its flag is.
/// Disk and chain are never waited for with the lock held.
/// </remarks>
internal sealed class ProviderChannel
{
    private readonly Lock _lock = new();
    private readonly ProviderChannelStore _store;
    private readonly ChannelLedger _ledger;
    private readonly ChannelClock _clock;
    private readonly SharedWrite _dueWrite;
    private readonly ProviderOptions _options;
    private ProviderChannelRecord _record;
    private ChannelAccount? _account;
    private (SignedVoucher Voucher, Task<bool> Task)? _storing;
    private bool _isAgreeing;
    private bool _isRetired;
    private int _vouchersUnderWay;
    private long? _extraReading;

    internal ProviderChannel(ProviderChannelStore store, ProviderChannelRecord record, ProviderOptions options, ChannelClock clock)
    {
        _store = store;
        _record = record;
        _options = options;
        _clock = clock;
        _dueWrite = new SharedWrite(_lock, taken => store.SaveDueAsync(record.Channel, () => TakeDue(taken), CancellationToken.None));
        _ledger = new ChannelLedger(record.Voucher?.Statement.Total ?? 0, record.Due, capacity: 0);
        if (record.Closing || record.CloseAt != 0)
        {
            _ledger.MarkClosing();
        }
    }

    public CellHash Channel => _record.Channel;

    public TonAddress Client => _record.Client;

    public Ed25519PublicKey PayKey => _record.PayKey;

    /// <summary>As stored and last seen, with the live figures of the book.</summary>
    public ProviderChannelRecord Record
    {
        get
        {
            lock (_lock)
            {
                return _record with { Due = _ledger.Due };
            }
        }
    }

    public ulong HighestTotal
    {
        get
        {
            lock (_lock)
            {
                return _ledger.Paid;
            }
        }
    }

    /// <summary>Vouched and not yet paid out by the contract.</summary>
    public ulong Unclaimed
    {
        get
        {
            lock (_lock)
            {
                return _ledger.Paid > _record.Claimed ? _ledger.Paid - _record.Claimed : 0;
            }
        }
    }

    public ChannelExposure Exposure
    {
        get
        {
            lock (_lock)
            {
                return new ChannelExposure(_ledger.Paid, _ledger.Due, _record.Claimed, _ledger.AtRisk, _ledger.Capacity, _ledger.LiveSessions, _ledger.Closing);
            }
        }
    }

    internal ChannelContract Contract => new(_record.Terms);

    internal bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return _ledger.LiveSessions == 0;
            }
        }
    }

    /// <summary>Verifies, stores and counts a voucher. The answer <see cref="VoucherOutcome.Held"/> means: durable.</summary>
    public async Task<VoucherOutcome> AcceptVoucherAsync(VoucherMessage message, CancellationToken cancellationToken)
    {
        if (VoucherVerifier.Read(message, Channel, out SignedVoucher? voucher) is { } unreadable)
        {
            return unreadable;
        }

        VoucherStatement statement = voucher!.Statement;
        SessionAllocation[] allocations = message.ReadAllocations();
        Task<bool>? storing = null;
        bool isLower;
        lock (_lock)
        {
            if (IsRepeated(voucher))
            {
                _ledger.Apply(statement.Total, allocations);
                return new VoucherOutcome.Held(_ledger.Paid, Grew: false);
            }

            isLower = statement.Total < _ledger.Paid;
            if (statement.Total > _ledger.Paid && statement.Total > _ledger.Capacity)
            {
                return new VoucherOutcome.Refused(
                    VoucherFault.Overdraft, $"the channel can pay {_ledger.Capacity} nanoTON in all, the voucher says {statement.Total}");
            }

            if (!isLower && _record.AckTotal is { } acked && statement.Total > acked)
            {
                return new VoucherOutcome.Refused(VoucherFault.Closing, "the channel is being closed at a lower total");
            }

            if (_storing is { } underway && !underway.Task.IsCompleted && IsSame(underway.Voucher, voucher))
            {
                storing = underway.Task;
            }
        }

        if (storing is not null)
        {
            // Requests side by side carry the same voucher: one of them has it stored, and all wait until it is.
            await storing.WaitAsync(cancellationToken);
            lock (_lock)
            {
                _ledger.Apply(statement.Total, allocations);
                return new VoucherOutcome.Held(_ledger.Paid, Grew: false);
            }
        }

        if (VoucherVerifier.Verify(voucher, _record.PayKey) is { } wrong)
        {
            return wrong;
        }

        if (isLower)
        {
            return new VoucherOutcome.Held(HighestTotal, Grew: false);
        }

        CrashPoint.Reach(CrashPoint.ProviderVoucherVerified);
        storing = StoreAsync(voucher, allocations);
        lock (_lock)
        {
            _storing = (voucher, storing);
        }

        bool grew = await storing.WaitAsync(cancellationToken);
        return new VoucherOutcome.Held(HighestTotal, grew);
    }

    /// <summary>Takes the book out of use for good, for another channel to have its place: from now on nothing is served or agreed to by it.</summary>
    /// <remarks>Requests may hold it still, and the channel may be met again: two books that serve would give everything twice.</remarks>
    /// <param name="gone">Whether this is asked of channels whose account is gone, or of those that hold no unclaimed money.</param>
    /// <returns><c>false</c> for another channel, and while something runs on it or is being written.</returns>
    internal bool TryRetire(bool gone)
    {
        lock (_lock)
        {
            bool isInUse = _ledger.LiveSessions > 0 || _vouchersUnderWay > 0 || _isAgreeing || !_dueWrite.IsIdle;
            _isRetired |= !isInUse && (gone ? _record.Gone : _ledger.Paid <= _record.Claimed);
            return _isRetired;
        }
    }

    /// <summary>Whether this channel may be read once more than the rules of freshness ask for.</summary>
    internal bool TryTakeExtraReading(TimeProvider time, TimeSpan interval)
    {
        lock (_lock)
        {
            if (_extraReading is { } last && time.GetElapsedTime(last) < interval)
            {
                return false;
            }

            _extraReading = time.GetTimestamp();
            return true;
        }
    }

    /// <summary>Sets one step aside for a session. Call after the request's voucher was accepted.</summary>
    /// <param name="session">The new session.</param>
    /// <param name="step">The quote's <c>step_nanoton</c>.</param>
    /// <param name="named">What the request's own voucher allocates to the session; 0: nothing.</param>
    public ReservationOutcome TryReserveSession(SessionId session, ulong step, ulong named = 0)
    {
        lock (_lock)
        {
            if (Unfit() is { } unfit)
            {
                return new ReservationOutcome.Declined(unfit.Reason, unfit.Detail, _ledger.Paid, CarriedDue: 0);
            }

            DeclineReason reason = _ledger.TryReserve(session, new CreditPolicy(_options.MaxCredit, step), named);
            return reason == DeclineReason.DeclineUnspecified
                ? new ReservationOutcome.Reserved(_ledger.Paid, _ledger.CarriedDue)
                : new ReservationOutcome.Declined(reason, Explain(reason, step), _ledger.Paid, reason == DeclineReason.DeclineVoucher ? _ledger.CarriedDue : 0);
        }
    }

    /// <summary>How far the enclave may run this session now, cumulative nanoTON of the session; never falls while it lives.</summary>
    /// <remarks>While the chain has not been seen for half of the challenge, only what is already vouched for may run.</remarks>
    public ulong GrantFor(SessionId session)
    {
        lock (_lock)
        {
            return IsBlind(divisor: 2, _options.OfflineAllowance) ? _ledger.GrantedTo(session) : _ledger.GrantFor(session);
        }
    }

    /// <param name="isFinal">Nothing more is generated and the due is exact.</param>
    public void ReportDue(SessionId session, ulong due, bool isFinal = false)
    {
        lock (_lock)
        {
            if (isFinal)
            {
                _ledger.ReportFinalDue(session, due);
            }
            else
            {
                _ledger.ReportDue(session, due);
            }
        }
    }

    /// <summary>Ends a session with the due of its settlement, or with what was last reported when the enclave died before one.</summary>
    public async Task EndSessionAsync(SessionId session, ulong? settlementDue, CancellationToken cancellationToken)
    {
        Task saving;
        lock (_lock)
        {
            if (!_ledger.End(session, settlementDue ?? _ledger.DueOf(session)))
            {
                return;
            }

            saving = _dueWrite.RequestAsync();
        }

        await saving.WaitAsync(cancellationToken);
    }

    /// <summary>Stores the closing flag; only after that may an ack for <paramref name="total"/> be signed.</summary>
    /// <returns>Why not, or <c>null</c>.</returns>
    internal async Task<PayRefusal?> BeginCloseAsync(ulong total, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_record.AckTotal is { } already)
            {
                // Signing the same ack again gives nothing new away: the client may have lost the first.
                return already == total ? null : PayRefusal.Malformed;
            }

            if (total < _record.Claimed)
            {
                return PayRefusal.BelowDue;
            }

            if (_isRetired)
            {
                return PayRefusal.Rate;
            }

            if (_ledger.TryBeginClose(total) is { } refusal)
            {
                return refusal;
            }

            _isAgreeing = true;
        }

        // Beyond what was claimed it is what the client owes; up to there it only says that nothing comes back.
        ulong owed = total > Record.Claimed ? total : 0;
        try
        {
            await _store.SaveClosingAsync(Channel, total, _clock.Now, owed, cancellationToken);
        }
        catch
        {
            lock (_lock)
            {
                _isAgreeing = false;
                _ledger.AbandonClose();
            }

            throw;
        }

        lock (_lock)
        {
            _isAgreeing = false;
            _record = _record with { Closing = true, AckTotal = total, AckAt = (uint)_clock.Now };
            _ledger.SettleAt(owed);
        }

        return null;
    }

    /// <summary>Takes a fresh reading of the chain into the book.</summary>
    internal async Task ApplyAsync(ChannelAccount account, CancellationToken cancellationToken)
    {
        _clock.Observe(account.ChainTime);
        lock (_lock)
        {
            if (_account is not null && account.ChainTime < _account.ChainTime)
            {
                // An answer that was late: what is known is newer.
                return;
            }
        }

        await _store.SaveAccountAsync(account, cancellationToken);
        lock (_lock)
        {
            _account = account;
            if (account.State is not { } state)
            {
                _record = _record with { Gone = true, Balance = 0, ClaimQueued = false, VerifiedAt = account.ChainTime };
                _ledger.Capacity = 0;
                _ledger.MarkClosing();
                return;
            }

            ulong claimed = Math.Max(_record.Claimed, state.Claimed);
            _record = _record with
            {
                Gone = false,
                Claimed = claimed,
                Balance = account.Balance,
                CloseAt = state.CloseAt,
                ExpiresAt = state.ExpiresAt,
                VerifiedAt = account.ChainTime,
                ClaimQueued = _record.ClaimQueued && claimed < _ledger.Paid,
            };
            _ledger.Capacity = account.Corroborated
                ? account.Capacity
                : Math.Min(account.Capacity, claimed + _options.UncorroboratedLimit);
            if (state.CloseAt != 0)
            {
                _ledger.MarkClosing();
            }
            else if (!_record.Closing && !_isAgreeing)
            {
                // It was said to be gone, and is there.
                _ledger.AbandonClose();
            }
        }
    }

    /// <summary>What a channel that has ended paid in all, by its last payout.</summary>
    internal async Task ApplyFinalAsync(ulong paid, CancellationToken cancellationToken)
    {
        await _store.SaveFinalAsync(Channel, paid, cancellationToken);
        lock (_lock)
        {
            _record = _record with { Claimed = Math.Max(_record.Claimed, paid) };
        }
    }

    internal void MarkClaimQueued()
    {
        lock (_lock)
        {
            _record = _record with { ClaimQueued = true };
        }
    }

    /// <summary>Whether the last reading is older than the share of the challenge that the rules allow.</summary>
    private bool IsBlind(int divisor, TimeSpan allowance) =>
        _account is null || _clock.Since(_account.ChainTime) > Math.Max(_record.Challenge / divisor, allowance.TotalSeconds);

    internal TimeSpan Age => _account is null ? TimeSpan.MaxValue : TimeSpan.FromSeconds(_clock.Since(_account.ChainTime));

    /// <summary>Whether the account may have ended since it was last seen: by our consent, after a challenge, or at its expiry.</summary>
    internal bool MayBeGone(uint chainTime)
    {
        lock (_lock)
        {
            return _record.Gone || _record.Closing || _isAgreeing
                || chainTime >= (_record.CloseAt != 0 ? _record.CloseAt : _record.VerifiedAt + (long)_record.Challenge)
                || (_record.ExpiresAt != 0 && chainTime >= _record.ExpiresAt);
        }
    }

    /// <summary>Why nothing may be served on this channel now; <c>null</c> when it may.</summary>
    internal (DeclineReason Reason, string Detail)? WhyUnfit()
    {
        lock (_lock)
        {
            return Unfit();
        }
    }

    private (DeclineReason Reason, string Detail)? Unfit()
    {
        if (_isRetired)
        {
            return (DeclineReason.DeclineRate, "this node holds as many channels as it can; ask again");
        }

        if (_record.Gone)
        {
            return (DeclineReason.DeclineChannel, "the channel is closed");
        }

        if (_ledger.Closing)
        {
            return (DeclineReason.DeclineClosing, "the channel is closing");
        }

        if (IsBlind(divisor: 4, TimeSpan.Zero))
        {
            return (DeclineReason.DeclineChain, "the chain has not been seen for a quarter of the channel's challenge");
        }

        return ExpiresTooSoon(_record.ExpiresAt, _record.Challenge, _clock.Now)
            ? (DeclineReason.DeclineExpired, "the channel expires within two challenge periods")
            : null;
    }

    private static bool ExpiresTooSoon(uint expiresAt, uint challenge, long now) => expiresAt != 0 && expiresAt - now < 2L * challenge;

    /// <summary>What is on the disk is counted, whether or not its session still waits: claims take the voucher from here.</summary>
    /// <returns>Whether the total grew.</returns>
    private async Task<bool> StoreAsync(SignedVoucher voucher, SessionAllocation[] allocations)
    {
        lock (_lock)
        {
            _vouchersUnderWay++;
        }

        try
        {
            await _store.SaveVoucherAsync(voucher, CurrentDue, CancellationToken.None);
        }
        catch
        {
            lock (_lock)
            {
                _vouchersUnderWay--;
            }

            throw;
        }

        CrashPoint.Reach(CrashPoint.ProviderVoucherStored);
        lock (_lock)
        {
            _vouchersUnderWay--;
            bool grew = _ledger.Apply(voucher.Statement.Total, allocations);
            if (grew)
            {
                _record = _record with { Voucher = voucher, Vouchers = _record.Vouchers + 1 };
            }

            return grew;
        }
    }

    private ulong TakeDue(Action taken)
    {
        lock (_lock)
        {
            taken();
            return _ledger.Due;
        }
    }

    private ulong CurrentDue()
    {
        lock (_lock)
        {
            return _ledger.Due;
        }
    }

    private bool IsRepeated(SignedVoucher voucher) =>
        _record.Voucher is { } held && IsSame(held, voucher);

    private static bool IsSame(SignedVoucher one, SignedVoucher other) =>
        one.Statement == other.Statement && one.Signature.AsSpan().SequenceEqual(other.Signature);

    private string Explain(DeclineReason reason, ulong step) => reason switch
    {
        DeclineReason.DeclineVoucher when _ledger.Paid == 0 => "the channel has vouched nothing: send a voucher for one step with the request",
        DeclineReason.DeclineVoucher => $"vouched {_ledger.Paid}, owed {_ledger.Due}, one step is {step} nanoTON: send a higher voucher",
        DeclineReason.DeclineFunds => $"the channel can pay {_ledger.Capacity} nanoTON in all, of which {_ledger.Due} is owed: top it up",
        DeclineReason.DeclineSlots => $"{ChannelLedger.MaxSessions} sessions run on this channel",
        DeclineReason.DeclineClosing => "the channel is closing",
        _ => "the session is already known",
    };
}
