using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>Reads from the chain what <see cref="ChannelAudit"/> sums up.</summary>
internal sealed class ChannelAuditor(ITonClient client)
{
    private const int PageSize = 50;

    /// <summary>2,000 transactions of a wallet; older ones leave the check of its history open.</summary>
    private const int MaxPages = 40;

    /// <exception cref="TonException">The chain did not answer.</exception>
    public async Task<ChannelAudit> AuditAsync(TonAddress channel, TonAddress wallet, CancellationToken cancellationToken)
    {
        TonAccount ours = await client.GetAccountAsync(wallet, cancellationToken);
        (List<TonTransaction> history, bool walletIsWhole) = await HistoryAsync(wallet, ours.LastTransaction, cancellationToken);
        TonAccount account = await client.GetAccountAsync(channel, cancellationToken);
        TransactionId? last = account.LastTransaction.LogicalTime != 0
            ? account.LastTransaction
            : await FindLastAsync(channel, wallet, history, cancellationToken);
        (List<TonTransaction> life, bool reachesBack) = last is { } newest ? await HistoryAsync(channel, newest, cancellationToken) : ([], false);
        bool whole = reachesBack && (account.LastTransaction.LogicalTime != 0 || life[0].Destroyed);
        return ChannelAudit.Of(channel, ours.Balance, account.Balance, history, life, walletIsWhole, whole);
    }

    /// <summary>A destroyed account has no last transaction to begin with; the newest of our messages to it leads there, when it was ours that ended it.</summary>
    private async Task<TransactionId?> FindLastAsync(TonAddress channel, TonAddress wallet, List<TonTransaction> history, CancellationToken cancellationToken)
    {
        foreach (TonMessage message in history.SelectMany(t => t.OutMessages).Where(m => m.Destination == channel).OrderByDescending(m => m.CreatedLt))
        {
            if (await client.FindReceiverTransactionAsync(wallet, channel, message.CreatedLt, cancellationToken) is { } found && found.InMessage?.Hash == message.Hash)
            {
                return found.Id;
            }
        }

        return null;
    }

    private async Task<(List<TonTransaction> Transactions, bool IsWhole)> HistoryAsync(TonAddress account, TransactionId newest, CancellationToken cancellationToken)
    {
        List<TonTransaction> transactions = [];
        TransactionId next = newest;
        for (int page = 0; page < MaxPages && next.LogicalTime != 0; page++)
        {
            IReadOnlyList<TonTransaction> part = await client.GetTransactionsAsync(account, PageSize, next, cancellationToken);
            if (part.Count == 0)
            {
                return (transactions, false);
            }

            transactions.AddRange(part);
            next = part[^1].Previous;
        }

        return (transactions, next.LogicalTime == 0);
    }
}
