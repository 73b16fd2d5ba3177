using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>A lite-server's answer about an account, with its proofs: <c>liteServer.accountState</c>.</summary>
/// <param name="ShardProof">Two roots: masterchain block and state. Empty when the account is in the masterchain.</param>
/// <param name="Proof">Two roots: shard block and state.</param>
/// <param name="State">The account itself; empty when it does not exist.</param>
internal sealed record AccountProof(BlockId Block, BlockId ShardBlock, byte[] ShardProof, byte[] Proof, byte[] State)
{
    private static readonly BocLimits s_limits = new() { MaxBytes = Adnl.AdnlConnection.MaxPacket, MaxCells = 400_000, MaxRoots = 2 };

    public static AccountProof Read(ref TlReader reader) => new(
        BlockId.Read(ref reader), BlockId.Read(ref reader),
        reader.ReadBytes().ToArray(), reader.ReadBytes().ToArray(), reader.ReadBytes().ToArray());

    /// <summary>The account, every field of it under the hash of <paramref name="trusted"/>.</summary>
    /// <exception cref="TonException">ProofInvalid or Malformed: the server's answer is worth nothing.</exception>
    public TonAccount Verify(BlockId trusted, TonAddress address)
    {
        if (Block != trusted)
        {
            throw Invalid("the answer is about another block");
        }

        if (!ShardBlock.Contains(address))
        {
            throw Invalid("the answer's shard does not hold the account");
        }

        if (address.Workchain == BlockId.Masterchain)
        {
            if (ShardBlock != trusted)
            {
                throw Invalid("the answer is about another masterchain block");
            }
        }
        else
        {
            (Cell mcBlock, Cell mcState) = ReadPair(ShardProof);
            if (!ShardState.Open(trusted, mcBlock, mcState).ListsShard(address, ShardBlock))
            {
                throw Invalid("the masterchain block does not list the shard's block");
            }
        }

        (Cell block, Cell state) = ReadPair(Proof);
        ShardState shard = ShardState.Open(ShardBlock, block, state);
        if (!shard.TryGetAccount(address, out CellHash hash, out TransactionId last))
        {
            return State.Length == 0
                ? new TonAccount(address, AccountStatus.Uninitialized, 0, null, null, default, shard.GenUtime, trusted.Seqno)
                : throw Invalid("a state of an account that does not exist");
        }

        Cell account = BocReader.ReadSingle(State, s_limits);
        if (account.LevelMask != 0 || account.Hash != hash)
        {
            // A tree with parts left out has the same hash at level 0, and is not the state.
            throw Invalid("the account's state is not the proven one");
        }

        return ReadAccount(account, address, last, shard.GenUtime, trusted.Seqno);
    }

    private static (Cell Block, Cell State) ReadPair(byte[] boc)
    {
        Cell[] roots = BocReader.Read(boc, s_limits);
        return roots.Length == 2 ? (roots[0], roots[1]) : throw Invalid($"proof of {roots.Length} roots");
    }

    /// <summary><c>account$1 addr storage_stat:StorageInfo storage:AccountStorage</c>.</summary>
    private static TonAccount ReadAccount(Cell cell, TonAddress address, TransactionId last, uint time, uint seqno)
    {
        CellSlice slice = cell.BeginParse();
        if (!slice.LoadBit())
        {
            return new TonAccount(address, AccountStatus.Uninitialized, 0, null, null, last, time, seqno);
        }

        if (slice.LoadRequiredAddress() != address)
        {
            throw Invalid("the state is of another account");
        }

        slice.LoadVarUInt(3);
        slice.LoadVarUInt(3);
        if (slice.LoadUInt(3) == 1)
        {
            slice.LoadHash();
        }

        slice.LoadUInt32();
        if (slice.LoadBit())
        {
            slice.LoadCoins();
        }

        slice.LoadUInt64();
        ulong balance = slice.LoadCoins64();
        slice.LoadMaybeReference();
        if (!slice.LoadBit())
        {
            AccountStatus status = slice.LoadBit() ? AccountStatus.Frozen : AccountStatus.Uninitialized;
            return new TonAccount(address, status, balance, null, null, last, time, seqno);
        }

        StateInit init = StateInit.Read(slice);
        return new TonAccount(address, AccountStatus.Active, balance, init.Code, init.Data, last, time, seqno);
    }

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);
}
