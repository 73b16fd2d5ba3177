using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>The parts of a <c>ShardStateUnsplit</c> that account proofs need, read from a (pruned) state.</summary>
internal sealed class ShardState
{
    private const uint Magic = 0x9023AFE2;

    /// <summary><c>validator_info$_ validator_list_hash_short:uint32 catchain_seqno:uint32 nx_cc_updated:Bool</c>.</summary>
    private const int ValidatorInfoBits = 32 + 32 + 1;

    private readonly Cell _accounts;
    private readonly Cell? _custom;

    private ShardState(Cell accounts, Cell? custom)
    {
        _accounts = accounts;
        _custom = custom;
    }

    /// <summary>Chain time of the block, Unix seconds.</summary>
    public required uint GenUtime { get; init; }

    /// <summary>Follows block → state update → state: two Merkle proofs.</summary>
    /// <exception cref="TonException">They do not lead from the block to a state of it.</exception>
    public static ShardState Open(BlockId block, Cell blockProof, Cell stateProof)
    {
        CellSlice root = ProvenBlock.OpenRoot(block, blockProof);
        root.LoadReference();
        root.LoadReference();
        Cell update = root.LoadReference();
        if (update.Type != CellType.MerkleUpdate)
        {
            throw Invalid("the block's state update is not in the proof");
        }

        return Read(block, MerkleProof.Open(stateProof, new CellHash(update.Data.Slice(1 + CellHash.Size, CellHash.Size))));
    }

    /// <summary>Whether the masterchain state lists this very block as the last one of its shard.</summary>
    public bool ListsShard(TonAddress account, BlockId shardBlock)
    {
        CellSlice extra = RequireExtra();
        Span<byte> workchain = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(workchain, shardBlock.Workchain);
        if (!HashmapReader.TryLookup(extra.LoadMaybeReference(), 32, workchain, out CellSlice? value))
        {
            return false;
        }

        byte[] prefix = account.Id.ToArray();
        CellSlice node = value.LoadReference().BeginParse();
        ulong shard = BlockId.WholeShard;
        for (int depth = 0; node.LoadBit(); depth++)
        {
            if (depth >= 60)
            {
                throw Invalid("the tree of shards is too deep");
            }

            Cell left = node.LoadReference();
            Cell right = node.LoadReference();
            bool bit = BitCopy.Test(prefix, depth);
            ulong marker = 1UL << (63 - depth);
            shard = (shard & ~marker) | (bit ? marker : 0) | (marker >> 1);
            node = (bit ? right : left).BeginParse();
        }

        if (node.LoadUInt(4) is not (0xA or 0xB))
        {
            throw Invalid("unknown kind of shard description");
        }

        uint seqno = node.LoadUInt32();
        node.Skip(32 + 64 + 64);
        return shard == shardBlock.Shard && seqno == shardBlock.Seqno && node.LoadHash() == shardBlock.RootHash && node.LoadHash() == shardBlock.FileHash;
    }

    /// <summary>The account's entry. <c>false</c>: the state shows that there is none, the account does not exist.</summary>
    public bool TryGetAccount(TonAddress address, out CellHash hash, out TransactionId lastTransaction)
    {
        hash = default;
        lastTransaction = default;
        CellSlice dictionary = _accounts.BeginParse();
        if (!HashmapReader.TryLookup(dictionary.LoadMaybeReference(), 256, address.Id.ToArray(), out CellSlice? value, SkipDepthBalance))
        {
            return false;
        }

        hash = value.LoadReference().HashAt(0);
        CellHash last = value.LoadHash();
        lastTransaction = new TransactionId(value.LoadUInt64(), last);
        return true;
    }

    /// <summary>A parameter of the configuration; masterchain states only.</summary>
    public bool TryGetConfig(int id, [NotNullWhen(true)] out Cell? parameter)
    {
        CellSlice extra = RequireExtra();
        extra.LoadMaybeReference();
        extra.LoadHash();
        parameter = ProvenBlock.LookUp(extra.LoadReference(), id);
        return parameter is not null;
    }

    /// <summary>Whether the masterchain state lists this very block among the ones before it, as a key block or not.</summary>
    public bool ListsOldBlock(BlockId block, bool isKeyBlock)
    {
        CellSlice extra = RequireExtra();
        extra.LoadMaybeReference();
        extra.LoadHash();
        extra.LoadReference();
        CellSlice info = extra.LoadReference().BeginParse();
        info.Skip(16 + ValidatorInfoBits);
        Span<byte> key = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(key, block.Seqno);
        if (!HashmapReader.TryLookup(info.LoadMaybeReference(), 32, key, out CellSlice? value, SkipKeyMaxLt))
        {
            return false;
        }

        bool isKey = value.LoadBit();
        value.Skip(64);
        return isKey == isKeyBlock && value.LoadUInt32() == block.Seqno && value.LoadHash() == block.RootHash && value.LoadHash() == block.FileHash;
    }

    private static ShardState Read(BlockId block, Cell cell)
    {
        CellSlice state = cell.BeginParse();
        if (state.LoadUInt32() != Magic)
        {
            throw Invalid("the proven cell is not a shard state");
        }

        state.LoadInt32();
        (int workchain, ulong shard) = ProvenBlock.ReadShard(state);
        uint seqno = state.LoadUInt32();
        state.Skip(32);
        uint genUtime = state.LoadUInt32();
        state.Skip(64 + 32 + 1);
        bool hasCustom = state.LoadBit();
        state.LoadReference();
        Cell accounts = state.LoadReference();
        state.LoadReference();
        if (workchain != block.Workchain || shard != block.Shard || seqno != block.Seqno)
        {
            throw Invalid("the proven state is of another block");
        }

        return new ShardState(accounts, hasCustom ? state.LoadReference() : null) { GenUtime = genUtime };
    }

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);

    /// <summary><c>depth_balance$_ split_depth:(#&lt;= 30) balance:CurrencyCollection</c>.</summary>
    private static void SkipDepthBalance(CellSlice slice)
    {
        slice.Skip(5);
        slice.LoadCoins();
        slice.LoadMaybeReference();
    }

    /// <summary><c>KeyMaxLt key:Bool max_end_lt:uint64</c>.</summary>
    private static void SkipKeyMaxLt(CellSlice slice) => slice.Skip(1 + 64);

    /// <summary><c>masterchain_state_extra#cc26 shard_hashes config …</c>, after its tag.</summary>
    private CellSlice RequireExtra()
    {
        CellSlice extra = (_custom ?? throw Invalid("the state is not of the masterchain")).BeginParse();
        return extra.LoadUInt(16) == 0xCC26 ? extra : throw Invalid("the masterchain's state extra has an unknown layout");
    }
}
