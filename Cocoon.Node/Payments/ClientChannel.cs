using Cocoon.Node.Diagnostics;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>A channel through which we pay: the one place that signs its vouchers.</summary>
/// <remarks>
/// Thread-safe. A total is on the disk before its signature leaves this class, and never goes backwards. How requests side by side
/// share a voucher is in <c>ClientChannel.Sharing.cs</c>.
/// </remarks>
internal sealed partial class ClientChannel : IDisposable
{
    /// <summary>By then a provider has noticed that a session was cut off, has ended it, and counts it among those that did.</summary>
    internal static readonly TimeSpan SettledAfter = TimeSpan.FromMinutes(5);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _signing = new(1);
    private readonly Dictionary<SessionId, ClientSession> _live = [];
    private readonly ClientChannelStore _store;
    private readonly Ed25519PrivateKey _payKey;
    private readonly SpendOptions _options;
    private readonly TimeProvider _time;
    private readonly ChannelReadings _readings = new();
    private ClientChannelRecord _record;
    private ulong _ended;

    /// <summary>What sessions that were cut off may have cost beyond what was seen of them.</summary>
    private ulong _unseen;

    /// <summary>The most of it that one such session accounts for; all that ran together when an earlier process ended count as one.</summary>
    private ulong _mostUnseen;
    private long _cutAt;
    private ulong _unconfirmed;
    private ulong _funded;
    private int _refusals;

    internal ClientChannel(ClientChannelStore store, ClientChannelRecord record, Ed25519PrivateKey payKey, SpendOptions options, TimeProvider time)
    {
        if (!payKey.PublicKey.Equals(record.PayKey))
        {
            throw new ArgumentException("The pay key is not the channel's: another wallet opened it.", nameof(payKey));
        }

        _store = store;
        _record = record;
        _payKey = payKey;
        _options = options;
        _time = time;
        _duesWrite = new SharedWrite(_lock, SaveDuesAsync);
        _ended = record.Due;

        // How far a session came that ran when this process last ended is known to the provider alone, from the last voucher on.
        _mostUnseen = _unseen = record.MayOwe > record.Due ? record.MayOwe - record.Due : 0;
        _cutAt = time.GetTimestamp();
        _unconfirmed = record.Unconfirmed;
        _storedMayOwe = record.MayOwe;
    }

    public CellHash Channel => _record.Channel;

    public PeerId Peer => _record.Peer;

    public ClientChannelRecord Record
    {
        get
        {
            lock (_lock)
            {
                ClientDues owed = Owed();
                return _record with { Due = owed.Due, MayOwe = owed.MayOwe, Unconfirmed = owed.Unconfirmed };
            }
        }
    }

    public ChannelPhase Phase => Record.State;

    public ulong HighestTotal => Record.HighestTotal;

    /// <summary>What can still be vouched, beside what is vouched and not owed.</summary>
    public ulong Spendable
    {
        get
        {
            lock (_lock)
            {
                ulong committed = Math.Max(_ended, Committed());
                return _record.Deposit > committed ? _record.Deposit - committed : 0;
            }
        }
    }

    public bool HasLiveSessions => LiveSessions > 0;

    public int LiveSessions
    {
        get
        {
            lock (_lock)
            {
                return _live.Count;
            }
        }
    }

    /// <summary>How often, in this run, its provider turned it away or would not close it, and neither chain nor signature told why.</summary>
    public int Refusals => Volatile.Read(ref _refusals);

    /// <inheritdoc cref="ChannelReadings.Believes"/>
    internal bool Believes(ChannelAccount account) => _readings.Believes(account, Phase);

    /// <summary>What was sent into it, by what is known and what left in this run: a server that does not show it has none sent beyond the cap.</summary>
    internal ulong Funded
    {
        get
        {
            lock (_lock)
            {
                return Math.Max(_funded, _record.Deposit);
            }
        }
    }

    /// <summary>Counts money that is about to be sent into the channel, or did not leave after all.</summary>
    internal void CountFunding(ulong amount, bool isSent)
    {
        lock (_lock)
        {
            _funded = Math.Max(_funded, _record.Deposit);
            _funded = isSent ? checked(_funded + amount) : _funded - Math.Min(_funded, amount);
        }
    }

    internal int CountRefusal() => Interlocked.Increment(ref _refusals);

    internal Ed25519PrivateKey PayKey => _payKey;

    internal ChannelContract Contract => new(_record.Terms);

    /// <param name="limit">Most that the session may cost; <c>null</c>: the owner's limit per request.</param>
    /// <param name="spender">Digest of the application key, for the limit per key.</param>
    /// <param name="ahead">How far the provider may serve beyond what is vouched for the session: one step of its quote.</param>
    /// <exception cref="PaymentException">The channel is not open.</exception>
    public ClientSession BeginSession(SessionId id, ulong? limit = null, string? spender = null, ulong ahead = 0)
    {
        lock (_lock)
        {
            if (_record.State != ChannelPhase.Open)
            {
                throw new PaymentException(PaymentErrorCode.State, $"The channel is {_record.State.ToString().ToLowerInvariant()}, not open.");
            }

            if (_live.Count >= ChannelLedger.MaxSessions)
            {
                throw new PaymentException(PaymentErrorCode.Busy, $"{ChannelLedger.MaxSessions} answers are under way on this channel already.");
            }

            ClientSession session = new(
                this, id, Math.Min(limit ?? ulong.MaxValue, _options.PerRequest), _options.PerKeyPerDay is null ? null : spender, ahead);
            _live.Add(id, session);
            _mostLive = Math.Max(_mostLive, _live.Count);
            _longestStep = Math.Max(_longestStep, ahead);
            return session;
        }
    }

    /// <summary>Signs a voucher for <paramref name="total"/>, or repeats the highest one when that is not above it.</summary>
    /// <exception cref="PaymentException">Over the day's limit, over the deposit, or the channel is not open.</exception>
    public async Task<VoucherMessage> SignVoucherAsync(ulong total, IReadOnlyList<SessionAllocation> allocations, CancellationToken cancellationToken)
    {
        await _signing.WaitAsync(cancellationToken);
        try
        {
            return await RaiseAsync(total, total, [.. allocations], cancellationToken);
        }
        finally
        {
            _signing.Release();
        }
    }

    /// <summary>Shows the provider that a session is this channel's payer.</summary>
    public byte[] SignPayer(ReadOnlySpan<byte> sessionId) => PayerStatement.Sign(_payKey, sessionId, Channel);

    /// <summary>
    /// The voucher to close with: what is owed, not what was vouched. The lead that no session used stays ours,
    /// because the provider consents to this total.
    /// </summary>
    /// <param name="agreed">The total of an earlier agreement; <c>null</c> before one.</param>
    /// <exception cref="PaymentException">More is said to be paid out than was ever vouched: nothing is signed on such a word.</exception>
    public SignedVoucher FinalVoucher(ulong? agreed)
    {
        ClientChannelRecord record = Record;
        if (agreed is null && record.Claimed > record.HighestTotal)
        {
            throw new PaymentException(
                PaymentErrorCode.Provider,
                $"{record.Claimed} nanoTON are said to be paid out, this wallet vouched {record.HighestTotal}: a voucher for the difference is not signed.");
        }

        ulong total = agreed ?? Math.Clamp(record.Due, record.Claimed, record.HighestTotal);
        VoucherStatement statement = new(record.Channel, total, record.Nonce + 1);
        return new SignedVoucher(statement, statement.Sign(_payKey));
    }

    /// <summary>The highest voucher again, for closing and for recovery.</summary>
    public SignedVoucher LastVoucher()
    {
        ClientChannelRecord record = Record;
        VoucherStatement statement = new(record.Channel, record.HighestTotal, record.Nonce);
        return SignOnce(statement);
    }

    /// <summary>
    /// Compares the books when a session is accepted or declined. After a crash or a cut session the provider may know of more that is owed:
    /// that is taken, within what such sessions may owe: for one of them once, and then up to the owner's limit. A provider that counts them all
    /// and claims no more has had its say. Sessions that live here may have ended there already.
    /// </summary>
    /// <param name="providersTotal">Highest total that the provider says it holds.</param>
    /// <param name="carriedDue">What it says that ended sessions owe.</param>
    /// <param name="asking">The session that asks, which owes nothing yet.</param>
    /// <param name="cancellationToken">Cancels the write to the store; memory is settled before.</param>
    /// <returns>Whether more is owed than was known.</returns>
    /// <exception cref="PaymentException">The provider claims what was never vouched, more than any session can owe, or too much on its word alone.</exception>
    public async Task<bool> ReconcileAsync(ulong providersTotal, ulong carriedDue, ClientSession? asking, CancellationToken cancellationToken)
    {
        bool isMore;
        lock (_lock)
        {
            if (providersTotal > _record.HighestTotal)
            {
                throw new PaymentException(
                    PaymentErrorCode.Provider, $"The provider says {providersTotal} nanoTON vouched, this wallet vouched {_record.HighestTotal}.");
            }

            ulong known = _ended;
            foreach (ClientSession live in _live.Values)
            {
                known = checked(known + (live == asking ? 0 : live.MayOwe));
            }

            isMore = carriedDue > known;
            if (isMore)
            {
                Believe(carriedDue, known);
            }
            else if (_unseen > 0 && asking is not null && _live.Count == 1 && _time.GetElapsedTime(_cutAt) >= SettledAfter)
            {
                (_unseen, _mostUnseen) = (0, 0);
            }
            else
            {
                return false;
            }
        }

        await SaveDuesTogetherAsync(cancellationToken);
        return isMore;
    }

    /// <remarks>Called with the lock held.</remarks>
    private void Believe(ulong carriedDue, ulong known)
    {
        ulong more = carriedDue - known;
        if (more > _unseen)
        {
            throw new PaymentException(
                PaymentErrorCode.Provider, $"The provider says {carriedDue} nanoTON owed; at most {known + _unseen} can be.");
        }

        bool isOneSession = _unconfirmed == 0 && more <= _mostUnseen;
        if (!isOneSession && checked(_unconfirmed + more) > Math.Max(_options.Unconfirmed, _ended / 10))
        {
            throw new PaymentException(
                PaymentErrorCode.Provider,
                $"The provider says that sessions which broke off had cost more than was seen of them, {more} nanoTON; {_unconfirmed} were believed before, and that much more is not. Close the channel alone ('cocoon channels close --alone').");
        }

        _unseen -= more;
        _mostUnseen = Math.Min(_mostUnseen, _unseen);
        _ended += more;
        _unconfirmed += more;
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
        _signing.Dispose();
        _payKey.Dispose();
    }

    internal void Observe(ClientSession session, ulong due)
    {
        lock (_lock)
        {
            session.Due = Math.Max(session.Due, due);
        }
    }

    internal async Task EndAsync(ClientSession session, ulong due, ulong mayOweUpTo, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_live.Remove(session.Id))
            {
                return;
            }

            _ended = checked(_ended + due);
            if (mayOweUpTo > due)
            {
                _unseen += mayOweUpTo - due;
                _mostUnseen = Math.Max(_mostUnseen, mayOweUpTo - due);
                _cutAt = _time.GetTimestamp();
            }
        }

        if (session is { Spender: { } spender, ChargedAt: { } charged })
        {
            ulong cost = Math.Max(due, mayOweUpTo);
            await _store.ReturnToKeyAsync(spender, charged, session.Charged > cost ? session.Charged - cost : 0, cancellationToken);
        }

        await SaveDuesTogetherAsync(cancellationToken);
    }

    /// <summary>Changes what the store holds beside totals, then what memory holds.</summary>
    internal async Task UpdateAsync(Func<ClientChannelRecord, ClientChannelRecord> change, CancellationToken cancellationToken)
    {
        await _signing.WaitAsync(cancellationToken);
        try
        {
            ClientChannelRecord changed = change(Record);
            await _store.SaveStateAsync(changed, cancellationToken);
            lock (_lock)
            {
                _record = changed with { HighestTotal = _record.HighestTotal, Nonce = _record.Nonce };
            }
        }
        finally
        {
            _signing.Release();
        }
    }

    /// <summary>Takes over a voucher of our own that the provider still holds, after the store was lost, and what it says is owed of that.</summary>
    internal async Task AdoptAsync(SignedVoucher own, ulong due, CancellationToken cancellationToken)
    {
        VoucherStatement statement = own.Statement;
        if (!own.Verify(_record.PayKey) || statement.Channel != Channel)
        {
            throw new PaymentException(PaymentErrorCode.Provider, "The voucher that the provider shows is not ours.");
        }

        await _signing.WaitAsync(cancellationToken);
        try
        {
            lock (_lock)
            {
                if (statement.Total <= _record.HighestTotal)
                {
                    return;
                }
            }

            await _store.RaiseTotalAsync(
                Channel, statement.Total, statement.Total, statement.Nonce, _ => Adopted(), _time.GetUtcNow(), dayLimit: long.MaxValue, cancellationToken);
            lock (_lock)
            {
                ClientDues adopted = Adopted();
                _ended = adopted.Due;
                _mostUnseen = _unseen = adopted.MayOwe - adopted.Due;
                _cutAt = _time.GetTimestamp();
                _record = _record with { HighestTotal = statement.Total, Nonce = statement.Nonce };
                _storedMayOwe = adopted.MayOwe;
            }
        }
        finally
        {
            _signing.Release();
        }

        // Nothing runs on a channel before it is adopted.
        ClientDues Adopted()
        {
            lock (_lock)
            {
                ulong most = Math.Max(_ended, statement.Total);
                return new ClientDues(Math.Clamp(due, _ended, most), most, _unconfirmed);
            }
        }
    }

    /// <summary>Makes the total high enough, and what may be owed foreseen, before the voucher is given out.</summary>
    /// <param name="least">The total that is needed.</param>
    /// <param name="wanted">What it is raised to when it has to be raised, as far as limits leave.</param>
    /// <param name="allocations">For the message.</param>
    /// <param name="cancellationToken">Seen until the write is queued.</param>
    /// <remarks>Called with <see cref="_signing"/> held.</remarks>
    private async Task<VoucherMessage> RaiseAsync(ulong least, ulong wanted, SessionAllocation[] allocations, CancellationToken cancellationToken)
    {
        ClientChannelRecord record = Record;
        if (least > record.HighestTotal)
        {
            if (record.State != ChannelPhase.Open)
            {
                throw new PaymentException(PaymentErrorCode.State, $"The channel is {record.State.ToString().ToLowerInvariant()}: no further voucher is signed.");
            }

            if (least > record.Deposit)
            {
                throw new PaymentException(
                    PaymentErrorCode.Funds, $"The channel can pay {MoneyWords.Ton(record.Deposit)} TON in all, {MoneyWords.Ton(least)} would be needed: top it up or open another.");
            }

            ulong nonce = record.Nonce + 1;
            DuesWrite write = new(this);
            ulong total = await _store.RaiseTotalAsync(
                Channel, least, Math.Max(least, wanted), nonce, write.Take, _time.GetUtcNow(), _options.PerDay, cancellationToken);
            CrashPoint.Reach(CrashPoint.ClientTotalStored);
            lock (_lock)
            {
                _record = _record with { HighestTotal = total, Nonce = nonce };
            }

            write.Stored();
        }
        else if (!IsForeseen())
        {
            await SaveDuesTogetherAsync(cancellationToken);
        }

        return LastVoucher().ToMessage(allocations);
    }

    /// <summary>Stored before the voucher is: after a crash a key counts as having spent more, never less.</summary>
    private async Task ChargeAsync(ClientSession session, ulong more, CancellationToken cancellationToken)
    {
        if (session.Spender is { } spender && _options.PerKeyPerDay is { } limit && more > 0)
        {
            DateTimeOffset now = session.ChargedAt ?? _time.GetUtcNow();
            await _store.ChargeKeyAsync(spender, now, more, limit, cancellationToken);
            session.ChargedAt = now;
            session.Charged += more;
        }
    }

    /// <summary>By sessions that ended, and by those that run as far as their enclaves' figures came.</summary>
    private ClientDues Owed()
    {
        ulong due = _ended, mayOwe = checked(_ended + _unseen);
        foreach (ClientSession live in _live.Values)
        {
            due = checked(due + live.Due);
            mayOwe = checked(mayOwe + live.MayOwe);
        }

        return new ClientDues(due, mayOwe, _unconfirmed);
    }

    private ulong Committed()
    {
        ulong sum = _ended;
        foreach (ClientSession live in _live.Values)
        {
            sum = checked(sum + live.Allocated);
        }

        return sum;
    }
}
