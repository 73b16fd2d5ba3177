using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton;

/// <summary>One transaction names the one before it by hash, so a server cannot leave one out or invent one in between.</summary>
internal static class TransactionChain
{
    /// <exception cref="TonException">The list is of another account, starts elsewhere, or has a gap.</exception>
    public static void Check(TonAddress address, TransactionId? from, IReadOnlyList<TonTransaction> transactions)
    {
        TransactionId? expected = from;
        foreach (TonTransaction transaction in transactions)
        {
            if (transaction.AccountId != address.Id || (expected is { } id && transaction.Id != id))
            {
                throw new TonException(TonErrorCode.ProofInvalid, "the server's list of transactions is not an unbroken chain");
            }

            expected = transaction.Previous;
        }
    }
}
