using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Payments;

/// <summary>Ends channels that we pay through: together with the provider, or alone after the challenge or the expiry.</summary>
internal sealed partial class ChannelCloser(
    ClientChannels channels, IChannelChain chain, IChainWallet wallet, IPayClient pay, TimeProvider time, ILogger<ChannelCloser> logger)
{
    private const int TransactionsLookedThrough = 32;
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_settleTimeout = TimeSpan.FromSeconds(60);

    /// <summary>
    /// One transaction, sent and paid by us: the provider gets its total, the rest comes back at once.
    /// Waits until the channel's opening window is over; resumes where an earlier run was interrupted.
    /// </summary>
    /// <exception cref="PaymentException">A session lives, the provider does not agree or answer, or the chain refuses.</exception>
    public async Task<ChannelSettlement> CloseTogetherAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        if (channel.HasLiveSessions)
        {
            throw new PaymentException(PaymentErrorCode.State, "A session runs on the channel; end it first.");
        }

        if (channel.Phase is not (ChannelPhase.Open or ChannelPhase.Closing))
        {
            throw new PaymentException(PaymentErrorCode.State, $"The channel is {channel.Phase.ToString().ToLowerInvariant()}.");
        }

        if (channel.Record.CloseAck is null)
        {
            await AgreeAsync(channel, cancellationToken);
        }

        ClientChannelRecord record = channel.Record;
        await WaitForChainTimeAsync(record.OpenBefore + 1L, cancellationToken);
        SignedVoucher voucher = channel.FinalVoucher(record.CloseTotal);
        InternalMessage message = channel.Contract.CoopClose(voucher, record.CloseAck!, ClientChannels.QueryId());
        return await SettleAsync(channel, new PaymentIntent($"close:{channel.Channel}:{voucher.Statement.Total}", message), cancellationToken);
    }

    /// <summary>
    /// A provider says that a channel is closing. That is so when the chain shows it, or when the provider's key signs what its consent was to;
    /// said without either, it is a refusal, and after a few of those the channel is ended alone.
    /// </summary>
    /// <returns>Whether it is closing, and pays for nothing more.</returns>
    public async Task<bool> ConfirmClosingAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            await channels.RefreshAsync(channel, cancellationToken);
            if (channel.Phase != ChannelPhase.Open)
            {
                return true;
            }

            if (!channel.HasLiveSessions)
            {
                // We may have died between its consent and our note of it.
                await AgreeAsync(channel, cancellationToken);
                return true;
            }
        }
        catch (Exception unknown) when (unknown is PaymentException or TonException)
        {
            Log.NotConfirmed(logger, channel.Channel, unknown.Message);
        }

        if (channel.CountRefusal() >= ClientChannels.MaxRefusals)
        {
            await ClientChannels.RetireAsync(channel, cancellationToken);
        }

        return false;
    }

    /// <summary>Begins to close alone; <see cref="FinishCloseAsync"/> can follow after the challenge.</summary>
    /// <returns>Chain time from which it can be finished.</returns>
    public async Task<uint> StartCloseAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        if (channel.Record.CloseAt != 0)
        {
            return channel.Record.CloseAt;
        }

        await ClientChannels.SendAsync(
            wallet, new PaymentIntent($"start-close:{channel.Channel}", channel.Contract.StartClose(ClientChannels.QueryId())), cancellationToken);
        await channels.WaitAsync(channel, record => record.CloseAt != 0 || record.State == ChannelPhase.Closed, cancellationToken);
        return channel.Record.CloseAt;
    }

    /// <summary>Brings everything back that was not claimed. Anybody could do it; we do.</summary>
    /// <exception cref="PaymentException">Neither the challenge nor the expiry has passed.</exception>
    public async Task<ChannelSettlement> FinishCloseAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        uint now = await chain.GetTimeAsync(cancellationToken);
        ClientChannelRecord record = channel.Record;
        return IsRipe(record, now)
            ? await SettleAsync(
                channel, new PaymentIntent($"finish-close:{channel.Channel}", channel.Contract.FinishClose(ClientChannels.QueryId())), cancellationToken)
            : throw new PaymentException(PaymentErrorCode.State, $"Too early: the chain's clock shows {MoneyWords.Time(now)}, the channel can be finished from {MoneyWords.Time(Earliest(record))}.");
    }

    /// <summary>Seconds until a channel may be closed together: no channel closes before its opening window is over.</summary>
    public async Task<long> WaitBeforeTogetherAsync(ClientChannel channel, CancellationToken cancellationToken) =>
        Math.Max(0, channel.Record.OpenBefore + 1L - await chain.GetTimeAsync(cancellationToken));

    /// <summary>Whether <see cref="FinishCloseAsync"/> would be in time.</summary>
    public async Task<bool> IsRipeAsync(ClientChannel channel, CancellationToken cancellationToken) =>
        IsRipe(channel.Record, await chain.GetTimeAsync(cancellationToken));

    private static bool IsRipe(ClientChannelRecord record, uint now) => now > record.OpenBefore
        && ((record.CloseAt != 0 && now >= record.CloseAt) || (record.ExpiresAt != 0 && now >= record.ExpiresAt) || record.State == ChannelPhase.Opening);

    private static uint Earliest(ClientChannelRecord record) =>
        record.CloseAt != 0 && record.ExpiresAt != 0 ? Math.Min(record.CloseAt, record.ExpiresAt) : Math.Max(record.CloseAt, record.ExpiresAt);

    private async Task AgreeAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        await RefreshAsync(channel, cancellationToken);
        SignedVoucher voucher = channel.FinalVoucher(agreed: null);
        PayResponse answer = await RequestCloseAsync(channel, voucher, cancellationToken);
        if (answer.Refused is { Reason: PayRefused.Types.Reason.BelowDue } below)
        {
            // A session that was cut off may have cost more than we saw of it.
            await channel.ReconcileAsync(0, below.DueNanoton, asking: null, cancellationToken);
            voucher = channel.FinalVoucher(agreed: null);
            answer = await RequestCloseAsync(channel, voucher, cancellationToken);
        }

        if (answer.Refused is { } refused)
        {
            throw new PaymentException(PaymentErrorCode.Provider, $"The provider refuses to close now ({refused.Reason}): {Shorten(refused.Detail)}");
        }

        CloseAckStatement expected = new(channel.Channel, voucher.Statement.Total);
        if (answer.Close is not { } close
            || !close.AckStatement.Span.SequenceEqual(expected.ToBytes())
            || !expected.Verify(channel.Record.ProviderKey, close.AckSignature.Span))
        {
            throw new PaymentException(PaymentErrorCode.Provider, "The provider's consent is for another total, or not signed by its key.");
        }

        byte[] ack = close.AckSignature.ToByteArray();
        CrashPoint.Reach(CrashPoint.ClientAckReceived);
        await channel.UpdateAsync(
            record => record with { State = ChannelPhase.Closing, CloseTotal = expected.Total, CloseAck = ack }, cancellationToken);
        CrashPoint.Reach(CrashPoint.ClientAckStored);
        Log.Agreed(logger, channel.Channel, expected.Total);
    }

    /// <summary>Claims that the provider made meanwhile are a floor of what it can agree to.</summary>
    private async Task RefreshAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            await channels.RefreshAsync(channel, cancellationToken);
        }
        catch (TonException failure)
        {
            throw new PaymentException(PaymentErrorCode.Chain, $"The channel cannot be closed while the chain is away: {failure.Message}", failure);
        }

        if (channel.Phase is not (ChannelPhase.Open or ChannelPhase.Closing))
        {
            throw new PaymentException(PaymentErrorCode.State, $"The channel is {channel.Phase.ToString().ToLowerInvariant()}.");
        }
    }

    private async Task<PayResponse> RequestCloseAsync(ClientChannel channel, SignedVoucher voucher, CancellationToken cancellationToken)
    {
        try
        {
            return await pay.RequestCloseAsync(channel.Peer, channel.Channel, voucher.ToMessage(), cancellationToken);
        }
        catch (IOException unreachable)
        {
            throw new PaymentException(
                PaymentErrorCode.Provider, $"The provider did not answer: {unreachable.Message} Try again, or close alone (the rest comes back after the challenge).", unreachable);
        }
    }

    private async Task<ChannelSettlement> SettleAsync(ClientChannel channel, PaymentIntent intent, CancellationToken cancellationToken)
    {
        TonAddress address = channel.Contract.Address;
        SendOutcome sent = await ClientChannels.SendAsync(wallet, intent, cancellationToken);
        ulong sentAt = sent.WalletTransaction?.LogicalTime ?? 0;
        using CancellationTokenSource clock = new(s_settleTimeout, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        try
        {
            while (true)
            {
                TonTransaction? refund = (await TransactionsAsync(wallet.Address, from: null, linked.Token)).FirstOrDefault(transaction =>
                    transaction.InMessage is { OpCode: OpCodes.ChannelRefunded } arrived && arrived.Source == address && arrived.CreatedLt > sentAt);
                if (refund is not null)
                {
                    // A destroyed account may no longer be listed; then its own fees stay unknown.
                    TonTransaction? atChannel = sent.ReceiverTransaction is { } id
                        ? (await TransactionsAsync(address, id, linked.Token)).FirstOrDefault(transaction => transaction.Id == id)
                        : null;
                    return await RecordAsync(channel, sent, atChannel, refund, cancellationToken);
                }

                await Task.Delay(s_poll / 4, time, linked.Token);
            }
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PaymentException(PaymentErrorCode.Chain, "The close was sent and its result is not seen yet; it is looked for again at the next start.");
        }
    }

    private async Task<ChannelSettlement> RecordAsync(
        ClientChannel channel, SendOutcome sent, TonTransaction? atChannel, TonTransaction refund, CancellationToken cancellationToken)
    {
        ulong claimedTotal = ChannelContract.PaidInAll(refund.InMessage!) ?? 0;
        ClientChannelRecord before = channel.Record;
        ChannelSettlement settlement = new(
            channel.Channel,
            (atChannel?.Id ?? sent.ReceiverTransaction ?? refund.Id).Hash.ToString(),
            atChannel is null
                ? claimedTotal - Math.Min(claimedTotal, before.Claimed)
                : atChannel.OutMessages.Where(paid => paid.OpCode == OpCodes.ChannelPaidOut).Aggregate(0UL, (sum, paid) => sum + paid.Value),
            claimedTotal,
            refund.InMessage!.Value,
            sent.WalletFees + sent.ForwardFee,
            atChannel?.NetworkFees,
            refund.NetworkFees);
        CrashPoint.Reach(CrashPoint.ClientRefundSeen);
        await channel.UpdateAsync(
            record => record with
            {
                State = ChannelPhase.Closed,
                Claimed = claimedTotal,
                Fees = checked(record.Fees + settlement.WalletFees + (settlement.ChannelFees ?? 0) + settlement.RefundFees),
                SettleTransaction = settlement.Transaction,
            },
            cancellationToken);
        CrashPoint.Reach(CrashPoint.ClientClosed);
        channels.Forget(channel);
        Log.Closed(logger, channel.Channel, settlement.ClaimedTotal, settlement.Refunded);
        return settlement;
    }

    private async Task<IReadOnlyList<TonTransaction>> TransactionsAsync(
        TonAddress account, TransactionId? from, CancellationToken cancellationToken)
    {
        try
        {
            return await chain.GetTransactionsAsync(account, TransactionsLookedThrough, from, cancellationToken);
        }
        catch (TonException)
        {
            // Looked for again until the time is over; a destroyed account may have no list at all.
            return [];
        }
    }

    private async Task WaitForChainTimeAsync(long after, CancellationToken cancellationToken)
    {
        while (await chain.GetTimeAsync(cancellationToken) < after)
        {
            await Task.Delay(s_poll, time, cancellationToken);
        }
    }

    private static string Shorten(string remote) => remote.Length <= 200 ? remote : remote[..200];

    private static partial class Log
    {
        [LoggerMessage(4110, LogLevel.Information, "The provider agreed to close channel {Channel} at {Total} nanoTON")]
        public static partial void Agreed(ILogger logger, CellHash channel, ulong total);

        [LoggerMessage(4112, LogLevel.Debug, "The provider of channel {Channel} says that it is closing, and nothing shows it: {Detail}")]
        public static partial void NotConfirmed(ILogger logger, CellHash channel, string detail);

        [LoggerMessage(4111, LogLevel.Information, "Channel {Channel} closed: {Claimed} nanoTON paid in all, {Refunded} came back")]
        public static partial void Closed(ILogger logger, CellHash channel, ulong claimed, ulong refunded);
    }
}
