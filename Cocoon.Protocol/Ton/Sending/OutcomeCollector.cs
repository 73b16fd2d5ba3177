using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>What a wallet's history shows since an external was signed.</summary>
/// <param name="Ours">The transaction of one of our externals; <c>null</c> when an unbroken chain of hashes shows that there is none.</param>
/// <param name="IsTaken">The sequence number was used by another message that the wallet's key signed: nobody else can make one up.</param>
internal readonly record struct WalletHistory(TonTransaction? Ours, bool IsTaken);

/// <summary>Finds the transactions that an external caused and says what happened, per request.</summary>
internal sealed class OutcomeCollector(WalletContract contract, ITonClient client, WalletSenderOptions options)
{
    private const int Page = 32;
    private const int MaxScanned = 10_000;
    private const uint VanishedReceiverSeconds = 15;

    /// <exception cref="TonException">The server does not show the history.</exception>
    public async Task<WalletHistory> ReadHistoryAsync(TonAccount account, OutboxBatch batch, CancellationToken cancellationToken)
    {
        TransactionId next = account.LastTransaction;
        int scanned = 0;
        bool isTaken = false;
        while (next.LogicalTime > batch.LastBefore.LogicalTime)
        {
            IReadOnlyList<TonTransaction> page = await client.GetTransactionsAsync(account.Address, Page, next, cancellationToken);
            foreach (TonTransaction transaction in page)
            {
                if (transaction.InMessage is { Kind: TonMessageKind.ExternalIn } message && batch.IsOurs(message.NormalizedHash))
                {
                    return new WalletHistory(transaction, isTaken);
                }

                isTaken |= transaction.InMessage is { } other && contract.ReadSignedSeqno(other.Body) == batch.Seqno;
            }

            scanned += page.Count;
            if (page.Count == 0 || scanned > MaxScanned)
            {
                throw new TonException(TonErrorCode.Malformed, "the server does not give the wallet's transactions back to the one before ours");
            }

            next = page[^1].Previous;
        }

        return new WalletHistory(null, isTaken);
    }

    /// <summary>An outcome for each request, or <c>null</c> while a receiver's transaction may still come.</summary>
    public async Task<IReadOnlyDictionary<string, SendOutcome>?> CollectAsync(
        TonTransaction wallet, OutboxBatch batch, uint chainTime, CancellationToken cancellationToken)
    {
        List<TonMessage> unmatched = [.. wallet.OutMessages];
        Dictionary<string, SendOutcome> outcomes = new(batch.Requests.Count);
        foreach (OutboxRequest request in batch.Requests)
        {
            TonMessage wanted = TonMessage.Read(request.Message);
            int index = unmatched.FindIndex(sent => IsSame(sent, wanted));
            if (index < 0)
            {
                outcomes[request.Key] = NotSent(wallet);
                continue;
            }

            TonMessage message = unmatched[index];
            unmatched.RemoveAt(index);
            TonTransaction? receiver = await FindReceiverAsync(message, cancellationToken);
            if (receiver is null && !await IsHopelessAsync(message, wallet, chainTime, cancellationToken))
            {
                return null;
            }

            outcomes[request.Key] = Describe(wallet, message, receiver);
        }

        return outcomes;
    }

    /// <summary>The chain fills in source, fees and times, and may take fees out of the value; the rest identifies a message.</summary>
    private static bool IsSame(TonMessage sent, TonMessage wanted) =>
        sent.Kind == TonMessageKind.Internal
        && sent.Destination == wanted.Destination
        && sent.Body.Hash == wanted.Body.Hash
        && sent.Bounce == wanted.Bounce
        && sent.StateInit?.Hash == wanted.StateInit?.Hash;

    private static SendOutcome NotSent(TonTransaction wallet)
    {
        string why = wallet switch
        {
            { Compute: { Success: false, SkipReason: { } reason } } => reason,
            { Compute: { Success: false } compute } => ExitCodes.Describe(compute.ExitCode),
            { Action: { Success: false } action } => ExitCodes.Describe(action.ResultCode),
            { Action.SkippedActions: > 0 } => "the wallet skipped it, usually because its balance did not carry the value and the fee",
            _ => "the wallet's transaction does not contain it",
        };
        return new SendOutcome(
            SendResult.NotSent, $"not sent: {why}", wallet.Id, WalletFees: wallet.TotalFees,
            WalletExitCode: wallet.Compute?.ExitCode, SkippedActions: wallet.Action?.SkippedActions ?? 0);
    }

    private static SendOutcome Describe(TonTransaction wallet, TonMessage message, TonTransaction? receiver)
    {
        (SendResult result, string words) = Judge(message, receiver);
        return new SendOutcome(
            result, words, wallet.Id, receiver?.Id, message.Value, message.ForwardFee, wallet.TotalFees, wallet.Compute?.ExitCode,
            wallet.Action?.SkippedActions ?? 0, receiver?.Compute is { Skipped: false } compute ? compute.ExitCode : null,
            receiver?.Action?.ResultCode, receiver?.Bounced ?? false);
    }

    private static (SendResult Result, string Words) Judge(TonMessage message, TonTransaction? receiver)
    {
        string came = receiver is { Bounced: true } ? "; the value came back, less fees" : message.Bounce ? "" : "; the value stayed there";
        switch (receiver)
        {
            case null:
                return (SendResult.SentUnconfirmed, "sent; the receiver's transaction was not seen");
            case { Compute: { Success: false, SkipReason: { } reason } } when receiver.Bounced:
                return (SendResult.RejectedByReceiver, $"rejected by the receiver: {reason}{came}");
            case { Compute: { Success: false, SkipReason: null } compute }:
                return (SendResult.RejectedByReceiver, $"rejected by the receiver: {ExitCodes.Describe(compute.ExitCode)}{came}");
            case { Action: { Success: false } action }:
                return (SendResult.RejectedByReceiver, $"the receiver's actions failed: {ExitCodes.Describe(action.ResultCode)}{came}");
            case { Compute.SkipReason: not null }:
                return (SendResult.Delivered, "delivered to an account without code");
            default:
                return (SendResult.Delivered, "delivered");
        }
    }

    /// <summary>The receiver's transaction has our very message cell as its inbound message.</summary>
    private async Task<TonTransaction?> FindReceiverAsync(TonMessage message, CancellationToken cancellationToken)
    {
        TonAddress receiver = message.Destination!.Value;
        TonAccount account = await client.GetAccountAsync(receiver, cancellationToken);
        if (account.LastTransaction.LogicalTime == 0)
        {
            // It destroyed itself, or our message has not arrived.
            TonTransaction? found = await client.FindReceiverTransactionAsync(message.Source!.Value, receiver, message.CreatedLt, cancellationToken);
            return found?.InMessage?.Hash == message.Hash ? found : null;
        }

        TransactionId next = account.LastTransaction;
        for (int scanned = 0; scanned < MaxScanned && next.LogicalTime > message.CreatedLt;)
        {
            IReadOnlyList<TonTransaction> page = await client.GetTransactionsAsync(receiver, Page, next, cancellationToken);
            foreach (TonTransaction transaction in page)
            {
                if (transaction.InMessage?.Hash == message.Hash)
                {
                    return transaction;
                }
            }

            scanned += page.Count;
            if (page.Count == 0)
            {
                return null;
            }

            next = page[^1].Previous;
        }

        return null;
    }

    private async Task<bool> IsHopelessAsync(TonMessage message, TonTransaction wallet, uint chainTime, CancellationToken cancellationToken)
    {
        if (chainTime > wallet.Now + options.ReceiverWaitSeconds)
        {
            return true;
        }

        return chainTime > wallet.Now + VanishedReceiverSeconds
            && (await client.GetAccountAsync(message.Destination!.Value, cancellationToken)).LastTransaction.LogicalTime == 0;
    }
}
