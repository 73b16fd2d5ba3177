using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>All channels in which this node is paid. Decides which are accepted, and keeps one book per channel.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed partial class ProviderLedger : IAsyncDisposable
{
    private const int ConcurrentReads = 16;

    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<CellHash, ProviderChannel> _channels = [];
    private readonly Dictionary<CellHash, Task<ChannelAcceptance>> _underway = [];
    private readonly SemaphoreSlim _reads = new(ConcurrentReads);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ProviderChannelStore _store;
    private readonly IChannelChain _chain;
    private readonly ProviderOptions _options;
    private readonly ChannelClock _clock;
    private readonly TimeProvider _time;
    private readonly ILogger<ProviderLedger> _logger;

    public ProviderLedger(
        ProviderChannelStore store, IChannelChain chain, ProviderIdentity identity, ProviderOptions options, TimeProvider time, ILogger<ProviderLedger> logger)
    {
        _store = store;
        _chain = chain;
        Identity = identity;
        _options = options;
        _time = time;
        _logger = logger;
        _clock = new ChannelClock(time);
        foreach (ProviderChannelRecord record in store.ListOpen(options.MaxChannels, time.GetUtcNow()))
        {
            _channels.Add(record.Channel, new ProviderChannel(store, record, options, _clock));
        }
    }

    public ProviderIdentity Identity { get; }

    public ProviderOptions Options => _options;

    /// <summary>Chain time as last seen, Unix seconds; 0 before any block.</summary>
    public long ChainTime => _clock.Now;

    public void ObserveChainTime(uint seconds) => _clock.Observe(seconds);

    /// <summary>Channels of which a book is kept. One that has ended keeps its book until another needs the place.</summary>
    public IReadOnlyList<ProviderChannel> Channels
    {
        get
        {
            lock (_lock)
            {
                return [.. _channels.Values];
            }
        }
    }

    /// <summary>A channel that was verified before, whatever its state; <c>null</c> when this node never accepted it.</summary>
    public ProviderChannel? Find(CellHash channel)
    {
        lock (_lock)
        {
            return _channels.GetValueOrDefault(channel);
        }
    }

    /// <summary>Looks at a channel that a client names: from memory while the reading is fresh, else from the chain.</summary>
    /// <remarks>A known channel stays usable while the chain is unreachable, until a quarter of its challenge has passed unseen.</remarks>
    public async Task<ChannelAcceptance> VerifyAsync(CellHash channel, CancellationToken cancellationToken)
    {
        ProviderChannel? known = Find(channel);
        if (known is not null && known.Age < _options.RefreshAfter)
        {
            return Judge(known);
        }

        Task<ChannelAcceptance> reading;
        lock (_lock)
        {
            if (!_underway.TryGetValue(channel, out Task<ChannelAcceptance>? started))
            {
                started = ReadAndJudgeAsync(channel, known);
                _underway.Add(channel, started);
            }

            reading = started;
        }

        return await reading.WaitAsync(cancellationToken);
    }

    /// <summary>Takes a voucher in; one beyond what the channel could pay when it was last read is judged by a fresh reading: it may have been topped up.</summary>
    public async Task<VoucherOutcome> AcceptVoucherAsync(ProviderChannel channel, VoucherMessage message, CancellationToken cancellationToken)
    {
        VoucherOutcome outcome = await channel.AcceptVoucherAsync(message, cancellationToken);
        return outcome is VoucherOutcome.Refused { Fault: VoucherFault.Overdraft } && await TryRefreshAsync(channel, cancellationToken)
            ? await channel.AcceptVoucherAsync(message, cancellationToken)
            : outcome;
    }

    /// <summary>Sets a step aside, by a fresh reading when the last one shows too little money.</summary>
    public async Task<ReservationOutcome> TryReserveSessionAsync(
        ProviderChannel channel, SessionId session, ulong step, ulong named, CancellationToken cancellationToken)
    {
        ReservationOutcome outcome = channel.TryReserveSession(session, step, named);
        return outcome is ReservationOutcome.Declined { Reason: DeclineReason.DeclineFunds } && await TryRefreshAsync(channel, cancellationToken)
            ? channel.TryReserveSession(session, step, named)
            : outcome;
    }

    /// <summary>At most one extra reading per <see cref="ReadAgainAfter"/> and channel, whatever a client sends.</summary>
    private async Task<bool> TryRefreshAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        if (!channel.TryTakeExtraReading(_time, ReadAgainAfter))
        {
            return false;
        }

        using CancellationTokenSource clock = new(_options.ChainTimeout, _time);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        try
        {
            await RefreshAsync(channel, limit.Token);
            return true;
        }
        catch (Exception failure) when (failure is TonException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            Log.Unreachable(_logger, channel.Channel, failure.Message);
            return false;
        }
    }

    /// <summary>Reads the channel's account now, for watchers and after claims.</summary>
    /// <exception cref="TonException">The chain did not answer usably; nothing changed.</exception>
    public async Task RefreshAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        ChannelAccount account = await _chain.ReadAsync(channel.Channel, cancellationToken);
        string? contradiction = account.State is { } state
            ? Mismatch(channel.Record, account, state) ?? (IsPaidUnvouched(account, channel.HighestTotal) ? "more paid out than was vouched" : null)
            : !account.Corroborated && !channel.MayBeGone(account.ChainTime) ? "an account that is gone before it can have ended"
            : null;
        if (contradiction is { } mismatch)
        {
            Log.Contradiction(_logger, channel.Channel, mismatch);
            throw new TonException(TonErrorCode.Malformed, $"The endpoint contradicts what was verified before: {mismatch}.");
        }

        await channel.ApplyAsync(account, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Task<ChannelAcceptance>[] underway;
        lock (_lock)
        {
            underway = [.. _underway.Values];
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(underway);
        _reads.Dispose();
        _stopping.Dispose();
    }

    private async Task<ChannelAcceptance> ReadAndJudgeAsync(CellHash channel, ProviderChannel? known)
    {
        // Leave the caller's lock first: the entry that the end of this removes is added under it.
        await Task.Yield();
        using CancellationTokenSource timeout = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        using CancellationTokenSource clock = new(_options.ChainTimeout, _time);
        using CancellationTokenRegistration link = clock.Token.Register(timeout.Cancel);
        try
        {
            await _reads.WaitAsync(timeout.Token);
            try
            {
                if (known is not null)
                {
                    await RefreshAsync(known, timeout.Token);
                    return Judge(known);
                }

                return await MeetAsync(channel, timeout.Token);
            }
            finally
            {
                _reads.Release();
            }
        }
        catch (Exception failure) when (failure is TonException or OperationCanceledException)
        {
            Log.Unreachable(_logger, channel, failure.Message);
            return known is null
                ? new ChannelAcceptance.Refused(DeclineReason.DeclineChain, "the chain cannot be read now, and the channel is not known yet")
                : Judge(known);
        }
        finally
        {
            lock (_lock)
            {
                _underway.Remove(channel);
            }
        }
    }

    /// <summary>The first look at a channel: everything about it is checked against the address that vouchers will name.</summary>
    private async Task<ChannelAcceptance> MeetAsync(CellHash channel, CancellationToken cancellationToken)
    {
        ChannelAccount account = await _chain.ReadAsync(channel, cancellationToken);
        _clock.Observe(account.ChainTime);
        if (Refuse(account) is { } refused)
        {
            Log.Refused(_logger, channel, refused.Detail);
            return refused;
        }

        ProviderChannelRecord? stored = _store.Find(channel);
        if (IsPaidUnvouched(account, stored?.Voucher?.Statement.Total ?? 0))
        {
            return new ChannelAcceptance.Refused(
                DeclineReason.DeclineChain, $"one server says that {account.State!.Claimed} nanoTON were paid out, and this node holds no voucher for as much");
        }

        ProviderChannelRecord record = stored ?? ProviderChannelRecord.From(account, account.State!, _time.GetUtcNow());
        ProviderChannel met = new(_store, record, _options, _clock);
        lock (_lock)
        {
            if (_channels.TryGetValue(channel, out ProviderChannel? other))
            {
                met = other;
            }
            else if (_channels.Count >= _options.MaxChannels && !TryMakeRoom())
            {
                return new ChannelAcceptance.Refused(DeclineReason.DeclineRate, "this node holds as many channels as it can");
            }
        }

        if (stored is null)
        {
            await _store.AddAsync(record, cancellationToken);
        }

        await met.ApplyAsync(account, cancellationToken);
        lock (_lock)
        {
            _channels.TryAdd(channel, met);
        }

        CrashPoint.Reach(CrashPoint.ProviderChannelMet);
        Log.Accepted(_logger, channel, account.Capacity);
        return Judge(met);
    }

    private static ChannelAcceptance Judge(ProviderChannel channel) =>
        channel.WhyUnfit() is var (reason, detail) ? new ChannelAcceptance.Refused(reason, detail) : new ChannelAcceptance.Accepted(channel);

    private ChannelAcceptance.Refused? Refuse(ChannelAccount account)
    {
        if (account.State is not { } state || account.Code is not { } code)
        {
            return Channel("there is no channel at this address");
        }

        if (code.Hash != ChannelContract.CodeHash)
        {
            return Channel($"contract code {code.Hash} is not one this node accepts");
        }

        if (!account.HasItsOwnAddress)
        {
            return Channel("the address does not follow from the channel's terms");
        }

        if (state.Terms.GlobalId != Identity.GlobalId)
        {
            return Channel($"the channel is for network {state.Terms.GlobalId}, this is {Identity.GlobalId}");
        }

        if (state.Terms.Payout != Identity.Payout)
        {
            return Channel("it pays somebody else");
        }

        if (!state.Terms.ProviderKey.Equals(Identity.ProviderKey.PublicKey))
        {
            return Channel("it names another provider's key");
        }

        if (state.Terms.Challenge < _options.MinChallengeSeconds)
        {
            return Channel($"a challenge of {state.Terms.Challenge} s is shorter than {_options.MinChallengeSeconds} s");
        }

        if (!state.Terms.PayKey.IsPrimeOrder())
        {
            return Channel("the pay key is not a key whose signatures the chain surely accepts");
        }

        if (!state.Opened)
        {
            return Channel("the channel is not open yet");
        }

        if (account.Capacity - state.Claimed < _options.MinDeposit && state.Claimed == 0)
        {
            return new ChannelAcceptance.Refused(
                DeclineReason.DeclineFunds, $"{account.Spendable} nanoTON can be spent, {_options.MinDeposit} is the least accepted");
        }

        return null;

        static ChannelAcceptance.Refused Channel(string detail) => new(DeclineReason.DeclineChannel, detail);
    }

    /// <summary>Whether one server says that a contract has paid what nobody but this node, by a voucher that it held, could have had it pay.</summary>
    private static bool IsPaidUnvouched(ChannelAccount account, ulong vouched) => !account.Corroborated && account.State is { } state && state.Claimed > vouched;

    /// <summary>What can never change in a verified channel; a difference means that the endpoint is wrong or lies.</summary>
    private static string? Mismatch(ProviderChannelRecord record, ChannelAccount account, ChannelState state) =>
        account.Code?.Hash != ChannelContract.CodeHash ? "other code"
        : state.Terms with { ExpiresAt = record.Terms.ExpiresAt } != record.Terms || state.ExpiresAt < record.ExpiresAt ? "other terms"
        : state.Claimed < record.Claimed ? "less claimed than before"
        : record.CloseAt != 0 && state.CloseAt != record.CloseAt ? "other closing time"
        : null;

    /// <summary>Those that have ended first, then those without money to claim. A book that is in use stays.</summary>
    private bool TryMakeRoom()
    {
        foreach (bool gone in new[] { true, false })
        {
            foreach ((CellHash id, ProviderChannel channel) in _channels)
            {
                if (channel.TryRetire(gone))
                {
                    return _channels.Remove(id);
                }
            }
        }

        return false;
    }

    private static partial class Log
    {
        [LoggerMessage(4001, LogLevel.Information, "Channel {Channel} accepted; it can pay {Capacity} nanoTON")]
        public static partial void Accepted(ILogger logger, CellHash channel, ulong capacity);

        [LoggerMessage(4002, LogLevel.Debug, "Channel {Channel} refused: {Detail}")]
        public static partial void Refused(ILogger logger, CellHash channel, string detail);

        [LoggerMessage(4003, LogLevel.Warning, "Channel {Channel} could not be read: {Detail}")]
        public static partial void Unreachable(ILogger logger, CellHash channel, string detail);

        [LoggerMessage(4004, LogLevel.Warning, "An endpoint contradicts what was verified of channel {Channel}: {Detail}")]
        public static partial void Contradiction(ILogger logger, CellHash channel, string detail);
    }
}
