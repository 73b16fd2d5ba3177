using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton;

/// <summary>How far what a server said about an account can be relied on.</summary>
internal enum AccountAssurance
{
    /// <summary>One server said so.</summary>
    Claimed,

    /// <summary>Independent servers agreed: on the block that a Merkle proof of the account starts from, or on the account itself.</summary>
    Quorum,

    /// <summary>A Merkle proof from a block whose validators' signatures were checked.</summary>
    Proven,
}

/// <summary>One reading of an account: all fields belong to the same state.</summary>
/// <param name="Balance">Nanotons; of a channel this is the deposit.</param>
/// <param name="Data">The data cell. Empty unless active.</param>
/// <param name="LastTransaction">Logical time 0 when it has none.</param>
/// <param name="SyncTime">Chain time of the block that the reading is of, Unix seconds.</param>
/// <param name="Seqno">Masterchain seqno of that block.</param>
internal sealed record TonAccount(
    TonAddress Address,
    AccountStatus Status,
    ulong Balance,
    Cell? Code,
    Cell? Data,
    TransactionId LastTransaction,
    uint SyncTime,
    uint Seqno)
{
    public AccountAssurance Assurance { get; init; } = AccountAssurance.Claimed;

    public bool IsActive => Status == AccountStatus.Active;
}
