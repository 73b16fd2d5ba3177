using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>Keeps the provider's view of its channels fresh, sees closings in time, and claims when the policy says so.</summary>
/// <remarks>One account is watched for closing notices, not one per channel. A notice proves nothing: the channel itself is read.</remarks>
internal sealed partial class ProviderWatcher(
    ProviderLedger ledger, IChannelChain chain, ClaimQueue claims, TimeProvider time, ILogger<ProviderWatcher> logger) : IDisposable
{
    private const int TransactionsPerLook = 32;

    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _looking = new(1);
    private ulong _seenUpTo;

    /// <summary>Looks at the chain until it is cancelled; what the chain refuses is logged and tried again.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(Interval, time);
        do
        {
            await LookAsync(shutdown: false, cancellationToken);
        }
        while (await timer.WaitForNextTickAsync(cancellationToken));
    }

    /// <summary>Whether something is worth claiming before a stop, as far as the books know.</summary>
    public bool HasLastClaims => ledger.Channels.Any(c => JudgeClaim(c, shutdown: true) != ClaimReason.None);

    /// <summary>One look: notices, readings that grow old, claims. On shutdown smaller amounts are claimed too.</summary>
    public async Task<IReadOnlyList<ClaimResult>> LookAsync(bool shutdown, CancellationToken cancellationToken)
    {
        await _looking.WaitAsync(cancellationToken);
        try
        {
            await ReadTimeAsync(cancellationToken);
            Dictionary<CellHash, ulong> noticed = await ReadNoticesAsync(cancellationToken);
            foreach (ProviderChannel channel in ledger.Channels)
            {
                bool isNoticed = noticed.TryGetValue(channel.Channel, out ulong paid);
                if (isNoticed || NeedsReading(channel))
                {
                    await RefreshAsync(channel, cancellationToken);
                }

                if (isNoticed && channel.Record.Gone && paid > channel.Record.Claimed)
                {
                    // The account can no longer say it; its last payout did.
                    await channel.ApplyFinalAsync(paid, cancellationToken);
                }
            }

            return await ClaimAsync(shutdown, cancellationToken);
        }
        catch (Exception failure) when (failure is PaymentException or TonException)
        {
            Log.Failed(logger, failure.Message);
            return [];
        }
        finally
        {
            _looking.Release();
        }
    }

    public void Dispose() => _looking.Dispose();

    /// <summary>
    /// Live work and unclaimed money are looked at eight times within a challenge; the rest when a session asks. One whose challenge is over
    /// may end in any block, and a claim on what has ended costs its fee for nothing.
    /// </summary>
    private bool NeedsReading(ProviderChannel channel)
    {
        ProviderChannelRecord record = channel.Record;
        if (!record.Gone && record.CloseAt != 0 && ledger.ChainTime >= record.CloseAt)
        {
            return true;
        }

        bool matters = !channel.IsIdle || channel.Unclaimed > 0 || record.Closing || record.CloseAt != 0;
        return matters && channel.Age > TimeSpan.FromSeconds(Math.Max(10, record.Challenge / 8));
    }

    private async Task<IReadOnlyList<ClaimResult>> ClaimAsync(bool shutdown, CancellationToken cancellationToken)
    {
        List<ProviderChannel> due = [];
        foreach (ProviderChannel channel in ledger.Channels)
        {
            ClaimReason reason = JudgeClaim(channel, shutdown);
            if (reason != ClaimReason.None)
            {
                Log.Claiming(logger, channel.Channel, channel.Unclaimed, reason);
                due.Add(channel);
            }
        }

        return due.Count == 0 ? [] : await claims.ClaimAsync(due, cancellationToken);
    }

    private ClaimReason JudgeClaim(ProviderChannel channel, bool shutdown) =>
        ClaimPolicy.Judge(channel.Record, channel.Unclaimed, ledger.Options.ClaimThreshold, ledger.ChainTime, shutdown);

    private async Task RefreshAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            await ledger.RefreshAsync(channel, cancellationToken);
        }
        catch (TonException failure)
        {
            Log.NotRead(logger, channel.Channel, failure.Message);
        }
    }

    /// <summary>A machine that slept has lost time by its own clock: deadlines are judged by the chain's.</summary>
    private async Task ReadTimeAsync(CancellationToken cancellationToken)
    {
        try
        {
            ledger.ObserveChainTime(await chain.GetTimeAsync(cancellationToken));
        }
        catch (TonException failure)
        {
            Log.NoTime(logger, failure.Message);
        }
    }

    /// <returns>Channels that wrote to the payout account, with what they say to have paid in all; 0 where they do not say.</returns>
    private async Task<Dictionary<CellHash, ulong>> ReadNoticesAsync(CancellationToken cancellationToken)
    {
        Dictionary<CellHash, ulong> channels = [];
        IReadOnlyList<TonTransaction> transactions;
        try
        {
            transactions = await chain.GetTransactionsAsync(ledger.Identity.Payout, TransactionsPerLook, from: null, cancellationToken);
        }
        catch (TonException failure)
        {
            Log.NoNotices(logger, failure.Message);
            return channels;
        }

        ulong newest = _seenUpTo;
        foreach (TonTransaction transaction in transactions)
        {
            newest = Math.Max(newest, transaction.LogicalTime);
            if (transaction.LogicalTime > _seenUpTo
                && transaction.InMessage is { OpCode: OpCodes.ChannelClosing or OpCodes.ChannelPaidOut, Source: { Workchain: 0 } source } notice
                && ledger.Find(source.Id) is not null)
            {
                channels[source.Id] = Math.Max(channels.GetValueOrDefault(source.Id), ChannelContract.PaidInAll(notice) ?? 0);
            }
        }

        // More arrived than one look shows: a notice may be among the rest, so every channel is read.
        if (_seenUpTo != 0 && transactions.Count == TransactionsPerLook && transactions[^1].LogicalTime > _seenUpTo)
        {
            foreach (ProviderChannel channel in ledger.Channels)
            {
                channels.TryAdd(channel.Channel, 0);
            }
        }

        _seenUpTo = newest;
        return channels;
    }

    private static partial class Log
    {
        [LoggerMessage(4040, LogLevel.Information, "Claiming {Unclaimed} nanoTON from channel {Channel}: {Reason}")]
        public static partial void Claiming(ILogger logger, CellHash channel, ulong unclaimed, ClaimReason reason);

        [LoggerMessage(4041, LogLevel.Warning, "Channel {Channel} could not be read: {Detail}")]
        public static partial void NotRead(ILogger logger, CellHash channel, string detail);

        [LoggerMessage(4042, LogLevel.Warning, "The payout account could not be read: {Detail}")]
        public static partial void NoNotices(ILogger logger, string detail);

        [LoggerMessage(4044, LogLevel.Warning, "The chain does not tell its time: {Detail}")]
        public static partial void NoTime(ILogger logger, string detail);

        [LoggerMessage(4043, LogLevel.Warning, "Claims failed and are tried again: {Detail}")]
        public static partial void Failed(ILogger logger, string detail);
    }
}
