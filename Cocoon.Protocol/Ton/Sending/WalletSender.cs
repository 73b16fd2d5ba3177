using System.Threading.Channels;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>Sends what is in a wallet's durable queue, once each, and records what became of it.</summary>
/// <remarks>
/// One external is in flight at a time. It is signed once, stored before it leaves, and the same bytes are sent again until the
/// wallet's sequence number has grown or its validity has passed in chain time that was seen; only then is another one signed for
/// that number, with the same messages, so that it does not matter which of the two the chain takes if that time was a lie. So a crash at any point neither loses nor repeats a payment. Exactly one <see cref="RunAsync"/> per wallet.
/// </remarks>
internal sealed partial class WalletSender
{
    private const int MaxRejectedAttempts = 3;
    private const int MaxResendDoublings = 3;

    /// <summary>A day of expired externals, one a minute.</summary>
    private const int MaxEarlier = 1_440;

    private readonly WalletContract _wallet;
    private readonly ExternalSigner _signer;
    private readonly ITonClient _client;
    private readonly IOutboxStore _store;
    private readonly WalletSenderOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly OutcomeCollector _collector;
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly OutcomeWaiters _waiters;

    private CellHash _resendOf;
    private DateTimeOffset _resendAt;
    private int _resends;
    private string? _refusal;
    private int _rejectedAttempts;

    /// <param name="key">Owned by the caller, who keeps it alive while the sender runs.</param>
    public WalletSender(
        WalletContract wallet, Ed25519PrivateKey key, ITonClient client, IOutboxStore store, WalletSenderOptions options, TimeProvider time, ILogger logger)
    {
        _wallet = wallet;
        _signer = new ExternalSigner(wallet, key, options);
        _client = client;
        _store = store;
        _options = options;
        _time = time;
        _logger = logger;
        _collector = new OutcomeCollector(wallet, client, options);
        _waiters = new OutcomeWaiters(store, wallet.Address);
    }

    public WalletContract Wallet => _wallet;

    /// <summary>Stores the request; on return it will be sent even if the process dies.</summary>
    public async ValueTask EnqueueAsync(OutboxRequest request, CancellationToken cancellationToken)
    {
        await _store.EnqueueAsync(_wallet.Address, request, cancellationToken);
        Wake();
    }

    /// <summary>Makes the loop look for what was put into the store beside it.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Completes when the request with this key has an outcome.</summary>
    public Task<SendOutcome> WaitAsync(string key, CancellationToken cancellationToken) => _waiters.WaitAsync(key, cancellationToken);

    /// <summary>Stores the message under a key and waits for its outcome. <see cref="RunAsync"/> must be running.</summary>
    public async Task<SendOutcome> SendAsync(
        string key, InternalMessage message, CancellationToken cancellationToken, SendMode mode = SendMode.PayFeesSeparately)
    {
        await EnqueueAsync(new OutboxRequest(key, message.ToCell(), mode), cancellationToken);
        return await WaitAsync(key, cancellationToken);
    }

    /// <summary>The loop; ends only when cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        TimeSpan backOff = _options.ChainBackOff;
        while (true)
        {
            TimeSpan delay;
            try
            {
                delay = await StepAsync(cancellationToken);
                backOff = _options.ChainBackOff;
            }
            catch (TonException fault)
            {
                Log.ChainFault(_logger, _wallet.Address, fault.Code, fault.Message);
                delay = backOff;
                backOff = backOff * 2 < _options.MaxChainBackOff ? backOff * 2 : _options.MaxChainBackOff;
            }

            await SleepAsync(delay, cancellationToken);
        }
    }

    /// <summary>Does what can be done now; returns how long to wait before the next step.</summary>
    internal async Task<TimeSpan> StepAsync(CancellationToken cancellationToken)
    {
        OutboxBatch? batch = await _store.GetInFlightAsync(_wallet.Address, cancellationToken);
        if (batch is null)
        {
            (batch, TimeSpan wait) = await StartBatchAsync(cancellationToken);
            return batch is null ? wait : await PushAsync(batch, cancellationToken);
        }

        return await FollowAsync(batch, cancellationToken);
    }

    /// <returns>The external to send, or how long to wait before there may be one.</returns>
    private async Task<(OutboxBatch? Batch, TimeSpan Wait)> StartBatchAsync(CancellationToken cancellationToken)
    {
        int limit = Math.Min(_wallet.MaxTransfers, _options.MaxBatch);
        while (await _store.GetWaitingAsync(_wallet.Address, limit, cancellationToken) is { Count: > 0 } waiting)
        {
            TonAccount account = await _client.GetAccountAsync(_wallet.Address, cancellationToken);
            if (await ResolveAsync(waiting, account, cancellationToken) is { } resolution)
            {
                if (resolution == Resolution.Pending)
                {
                    return (null, _options.PollInterval);
                }

                continue;
            }

            if (_signer.TrySign(waiting, SeqnoOf(account), account, out string? refusal) is not { } batch)
            {
                await RejectAsync(waiting[0], refusal!, cancellationToken);
                continue;
            }

            await _store.StartAsync(_wallet.Address, batch, cancellationToken);
            return (batch, TimeSpan.Zero);
        }

        return (null, Timeout.InfiniteTimeSpan);
    }

    /// <summary>
    /// Looks for externals of requests that were given up before: such a request is signed again only where that cannot pay twice, for the same
    /// number, or once history shows that another message took it.
    /// </summary>
    /// <returns><c>null</c> when all that wait may be signed on this reading of the account.</returns>
    private async Task<Resolution?> ResolveAsync(IReadOnlyList<OutboxRequest> waiting, TonAccount account, CancellationToken cancellationToken)
    {
        foreach (OutboxRequest request in waiting)
        {
            if (request.Refused is not { } refused)
            {
                continue;
            }

            OutboxBatch signed = new([request], [], refused.Hashes[^1], refused.Seqno, ValidUntil: 0, refused.LastBefore) { Earlier = refused.Hashes };
            TonTransaction? transaction;
            bool isPast = SeqnoOf(account) > refused.Seqno;
            try
            {
                (transaction, bool isTaken) = await _collector.ReadHistoryAsync(account, signed, cancellationToken);
                if (isPast && transaction is null && !isTaken)
                {
                    throw Unexplained(refused.Seqno);
                }
            }
            catch (TonException fault) when (fault.Code == TonErrorCode.Malformed)
            {
                // Those behind it need not wait until somebody shows the history.
                await RejectAsync(request, $"not signed again: {fault.Message}", cancellationToken);
                return Resolution.Changed;
            }

            if (transaction is not null)
            {
                Log.HappenedAfterAll(_logger, _wallet.Address, request.Key);
                return await TryFinishAsync(signed, transaction, account, cancellationToken) ? Resolution.Changed : Resolution.Pending;
            }

            if (isPast)
            {
                await _store.ForgetRefusedAsync(_wallet.Address, request.Key, cancellationToken);
                return Resolution.Changed;
            }
        }

        return null;
    }

    private uint SeqnoOf(TonAccount account) => account is { IsActive: true, Data: { } data } ? _wallet.ReadSeqno(data) : 0;

    /// <summary>Looks whether the external in flight happened or expired; else sends it again when its time has come.</summary>
    private async Task<TimeSpan> FollowAsync(OutboxBatch batch, CancellationToken cancellationToken)
    {
        TonAccount account = await _client.GetAccountAsync(_wallet.Address, cancellationToken);
        if (SeqnoOf(account) > batch.Seqno)
        {
            return await ConcludeAsync(batch, account, cancellationToken);
        }

        if (account.SyncTime <= batch.ValidUntil)
        {
            return await PushAsync(batch, cancellationToken);
        }

        // Never again valid, and this very reading shows that it did not happen.
        Log.Expired(_logger, _wallet.Address, batch.Seqno);
        if (_refusal is { } words && _resendOf == batch.NormalizedHash && ++_rejectedAttempts >= MaxRejectedAttempts)
        {
            _rejectedAttempts = 0;
            await GiveUpAsync(batch, words, cancellationToken);
        }
        else if (SeqnoOf(account) < batch.Seqno)
        {
            // A chain that was set back: the number that ours was signed for is not the next one any more. Unless that is a lie as well.
            await _store.ReturnAsync(_wallet.Address, batch with { Requests = Remembering(batch) }, cancellationToken);
        }
        else
        {
            // The same messages under the same number: at most one of the two can ever happen, and either is right.
            OutboxBatch renewed = _signer.Sign(batch.Requests, batch.Seqno, account) with
            {
                LastBefore = batch.LastBefore,
                Earlier = [.. batch.Earlier.TakeLast(MaxEarlier), batch.NormalizedHash],
            };
            await _store.RenewAsync(_wallet.Address, renewed, cancellationToken);
        }

        return TimeSpan.Zero;
    }

    private async Task<TimeSpan> PushAsync(OutboxBatch batch, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (_resendOf != batch.NormalizedHash)
        {
            (_resendOf, _resendAt, _resends, _refusal) = (batch.NormalizedHash, now, 0, null);
        }

        if (now < _resendAt)
        {
            return _options.PollInterval;
        }

        TimeSpan wait = _options.FirstResend * (1 << Math.Min(_resends, MaxResendDoublings)) * (0.8 + (0.4 * Random.Shared.NextDouble()));
        bool first = _resends++ == 0;
        _resendAt = now + wait;
        try
        {
            await _client.SendBocAsync(batch.Boc, cancellationToken);
            Log.Sent(_logger, _wallet.Address, batch.Seqno, batch.Requests.Count);
        }
        catch (TonException fault) when (fault.Code == TonErrorCode.NotAccepted)
        {
            // Also the answer to a message that is in already. Either way the chain decides: the bytes stay good until they expire.
            _refusal = fault.ExitCode is { } code ? Contracts.ExitCodes.Describe(code) : fault.Message;
            Log.NotAccepted(_logger, _wallet.Address, batch.Seqno, _refusal);
        }

        return first ? TimeSpan.Zero : _options.PollInterval;
    }

    private async Task<TimeSpan> ConcludeAsync(OutboxBatch batch, TonAccount account, CancellationToken cancellationToken)
    {
        (TonTransaction? transaction, bool isTaken) = await _collector.ReadHistoryAsync(account, batch, cancellationToken);
        if (transaction is null)
        {
            if (!isTaken)
            {
                // A server that hides ours and makes up another: signed for the next number, both could happen.
                throw Unexplained(batch.Seqno);
            }

            // Another message took the number, for example from the same wallet used elsewhere. Ours can never happen any more.
            Log.Superseded(_logger, _wallet.Address, batch.Seqno);
            await _store.ReturnAsync(_wallet.Address, batch, cancellationToken);
            return TimeSpan.Zero;
        }

        _rejectedAttempts = 0;
        return await TryFinishAsync(batch, transaction, account, cancellationToken) ? TimeSpan.Zero : _options.PollInterval;
    }

    private static TonException Unexplained(uint seqno) =>
        new(TonErrorCode.Malformed, $"the server says that sequence number {seqno} was used, and shows no message of this wallet's key that used it");

    /// <returns><c>false</c> while a receiver's transaction may still come.</returns>
    private async Task<bool> TryFinishAsync(OutboxBatch batch, TonTransaction transaction, TonAccount account, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<string, SendOutcome>? outcomes = await _collector.CollectAsync(transaction, batch, account.SyncTime, cancellationToken);
        if (outcomes is null)
        {
            return false;
        }

        await _store.FinishAsync(_wallet.Address, batch, outcomes, cancellationToken);
        foreach ((string key, SendOutcome outcome) in outcomes)
        {
            Log.Finished(_logger, _wallet.Address, key, outcome.Result);
            _waiters.Tell(key, outcome);
        }

        return true;
    }

    /// <summary>The clock that says these externals are dead may lie: they are kept, so that none of their requests is paid twice.</summary>
    private async Task GiveUpAsync(OutboxBatch batch, string words, CancellationToken cancellationToken)
    {
        SendOutcome outcome = new(
            SendResult.Refused, $"not sent as far as the chain shows: the wallet refuses its external message ({words}); it is looked for before it is signed again");
        OutboxRequest[] requests = Remembering(batch);
        await _store.GiveUpAsync(_wallet.Address, requests, outcome, cancellationToken);
        foreach (OutboxRequest request in requests)
        {
            Log.Finished(_logger, _wallet.Address, request.Key, outcome.Result);
            _waiters.Tell(request.Key, outcome);
        }
    }

    private static OutboxRequest[] Remembering(OutboxBatch batch) =>
        [.. batch.Requests.Select(request => request with { Refused = batch.RefusedFor(request, MaxEarlier) })];

    private async Task RejectAsync(OutboxRequest request, string words, CancellationToken cancellationToken)
    {
        SendOutcome outcome = new(request.Refused is null ? SendResult.NotSent : SendResult.Refused, words);
        await _store.RejectAsync(_wallet.Address, request.Key, outcome, cancellationToken);
        Log.Finished(_logger, _wallet.Address, request.Key, outcome.Result);
        _waiters.Tell(request.Key, outcome);
    }

    private async Task SleepAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task woken = _wake.Reader.WaitToReadAsync(either.Token).AsTask();
        Task timer = Task.Delay(delay, _time, either.Token);
        await Task.WhenAny(woken, timer);
        await either.CancelAsync();
        _wake.Reader.TryRead(out _);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private enum Resolution
    {
        /// <summary>What waits is another than before.</summary>
        Changed,

        /// <summary>One happened, and its receiver's transaction may still come.</summary>
        Pending,
    }

    private static partial class Log
    {
        [LoggerMessage(4401, LogLevel.Debug, "wallet {Wallet}: external {Seqno} with {Count} messages sent")]
        public static partial void Sent(ILogger logger, TonAddress wallet, uint seqno, int count);

        [LoggerMessage(4402, LogLevel.Debug, "wallet {Wallet}: external {Seqno} not accepted now: {Words}")]
        public static partial void NotAccepted(ILogger logger, TonAddress wallet, uint seqno, string words);

        [LoggerMessage(4403, LogLevel.Warning, "wallet {Wallet}: external {Seqno} expired without happening; signing again")]
        public static partial void Expired(ILogger logger, TonAddress wallet, uint seqno);

        [LoggerMessage(4404, LogLevel.Warning, "wallet {Wallet}: sequence number {Seqno} was used by a message that is not ours; signing again")]
        public static partial void Superseded(ILogger logger, TonAddress wallet, uint seqno);

        [LoggerMessage(4405, LogLevel.Information, "wallet {Wallet}: {Key} is {Result}")]
        public static partial void Finished(ILogger logger, TonAddress wallet, string key, SendResult result);

        [LoggerMessage(4407, LogLevel.Warning, "wallet {Wallet}: {Key} was given up and happened all the same; it is not signed again")]
        public static partial void HappenedAfterAll(ILogger logger, TonAddress wallet, string key);

        [LoggerMessage(4406, LogLevel.Warning, "wallet {Wallet}: chain out of reach ({Code}): {Reason}")]
        public static partial void ChainFault(ILogger logger, TonAddress wallet, TonErrorCode code, string reason);
    }
}
