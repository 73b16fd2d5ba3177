using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Payments;

/// <summary>Redeems vouchers: up to 255 claims in one external, each wish stored before it is sent.</summary>
/// <remarks>A claim is its own sequence number: sent twice it costs a fee and moves nothing, so that a crash at any point only delays it.</remarks>
internal sealed partial class ClaimQueue(
    ProviderLedger ledger, ProviderChannelStore store, IChainWallet wallet, ILogger<ClaimQueue> logger)
{
    public const int MaxBatch = 255;

    /// <summary>Claims on all of the channels and returns what the chain shows afterwards, in their order.</summary>
    /// <remarks>A channel without unclaimed money is skipped. The money goes to the payout address, whoever sends.</remarks>
    public async Task<IReadOnlyList<ClaimResult>> ClaimAsync(IReadOnlyList<ProviderChannel> channels, CancellationToken cancellationToken)
    {
        List<ClaimResult> results = [];
        foreach (ProviderChannel[] batch in channels.Where(channel => channel.Unclaimed > 0 && !channel.Record.Gone).Chunk(MaxBatch))
        {
            await store.QueueClaimsAsync([.. batch.Select(channel => channel.Channel)], cancellationToken);
            CrashPoint.Reach(CrashPoint.ProviderClaimQueued);
            List<PaymentIntent> intents = [];
            foreach (ProviderChannel channel in batch)
            {
                channel.MarkClaimQueued();
                SignedVoucher voucher = channel.Record.Voucher!;
                ChannelContract contract = channel.Contract;
                intents.Add(new PaymentIntent(
                    $"claim:{channel.Channel}:{voucher.Statement.Total}:{channel.Record.Claimed}", contract.Claim(voucher, ClientChannels.QueryId())));
            }

            ulong[] before = [.. batch.Select(channel => channel.Record.Claimed)];
            IReadOnlyList<SendOutcome> outcomes = await wallet.SendAsync(intents, cancellationToken);
            CrashPoint.Reach(CrashPoint.ProviderClaimed);
            for (int i = 0; i < batch.Length; i++)
            {
                results.Add(await ConfirmAsync(batch[i], before[i], outcomes[i], cancellationToken));
            }
        }

        return results;
    }

    private async Task<ClaimResult> ConfirmAsync(ProviderChannel channel, ulong before, SendOutcome outcome, CancellationToken cancellationToken)
    {
        try
        {
            await ledger.RefreshAsync(channel, cancellationToken);
        }
        catch (TonException failure)
        {
            Log.NotConfirmed(logger, channel.Channel, failure.Message);
        }

        CrashPoint.Reach(CrashPoint.ProviderClaimRecorded);
        ulong paid = channel.Record.Claimed - before;
        if (paid > 0)
        {
            Log.Claimed(logger, channel.Channel, paid);
        }
        else
        {
            Log.Refused(logger, channel.Channel, outcome.Words);
        }

        return new ClaimResult(channel.Channel, paid, channel.Unclaimed, outcome);
    }

    private static partial class Log
    {
        [LoggerMessage(4030, LogLevel.Information, "Claimed {Paid} nanoTON from channel {Channel}")]
        public static partial void Claimed(ILogger logger, CellHash channel, ulong paid);

        [LoggerMessage(4031, LogLevel.Warning, "The claim on channel {Channel} brought nothing: {Words}")]
        public static partial void Refused(ILogger logger, CellHash channel, string words);

        [LoggerMessage(4032, LogLevel.Warning, "The claim on channel {Channel} is sent and not confirmed: {Detail}")]
        public static partial void NotConfirmed(ILogger logger, CellHash channel, string detail);
    }
}

/// <param name="Paid">nanoTON that the channel paid out meanwhile.</param>
/// <param name="Left">Vouched and still not paid, because the deposit did not reach.</param>
internal sealed record ClaimResult(CellHash Channel, ulong Paid, ulong Left, SendOutcome Outcome);
