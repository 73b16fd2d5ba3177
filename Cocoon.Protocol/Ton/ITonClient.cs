using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton;

/// <summary>The edge to the chain. Every failure is a <see cref="TonException"/> whose code says what kind.</summary>
internal interface ITonClient
{
    /// <summary>What stands behind an answer about an account when all goes well; each <see cref="TonAccount"/> says it for itself.</summary>
    AccountAssurance Assurance => AccountAssurance.Claimed;

    /// <summary>The account as of one block. An account that was never touched is <see cref="AccountStatus.Uninitialized"/> with balance 0.</summary>
    Task<TonAccount> GetAccountAsync(TonAddress address, CancellationToken cancellationToken);

    /// <summary>Newest first, starting at <paramref name="from"/> (inclusive), or at the last one when it is <c>null</c>.</summary>
    /// <remarks>The answer is checked to be an unbroken chain of hashes from its first transaction.</remarks>
    Task<IReadOnlyList<TonTransaction>> GetTransactionsAsync(
        TonAddress address, int limit, TransactionId? from, CancellationToken cancellationToken);

    /// <summary>The transaction of <paramref name="destination"/> that a message caused, or <c>null</c> when the server does not find it.</summary>
    /// <remarks>For accounts that destroyed themselves, which have no last transaction to start from. The caller compares the message.</remarks>
    Task<TonTransaction?> FindReceiverTransactionAsync(
        TonAddress source, TonAddress destination, ulong createdLt, CancellationToken cancellationToken);

    /// <summary>Hands an external message to the network. Returning means "accepted for broadcast", not "included".</summary>
    /// <exception cref="TonException"><see cref="TonErrorCode.NotAccepted"/> when the account would not accept it.</exception>
    Task SendBocAsync(ReadOnlyMemory<byte> boc, CancellationToken cancellationToken);

    /// <summary>For people only: the answer carries no proof. Decide from the data cell.</summary>
    Task<GetMethodResult> RunGetMethodAsync(
        TonAddress address, string method, IReadOnlyList<StackValue> stack, CancellationToken cancellationToken);

    /// <summary>A parameter of the chain's configuration.</summary>
    Task<Cell> GetConfigParamAsync(int id, CancellationToken cancellationToken);

    Task<ChainTime> GetChainTimeAsync(CancellationToken cancellationToken);
}
