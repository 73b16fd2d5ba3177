using System.Security.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>A made-up masterchain block over two shards, with the proofs that a lite-server would give.</summary>
internal sealed class ProofChain
{
    public const uint Time = 1_800_000_000;

    private readonly Dictionary<TonAddress, Cell> _accounts;
    private readonly Cell _mcState;
    private readonly Cell _mcBlock;
    private readonly (BlockId Id, Cell Block, Cell State)[] _shards;

    public ProofChain(uint seqno, params (TonAddress Address, Cell State)[] accounts)
        : this(seqno, null, accounts)
    {
    }

    /// <param name="session">Who made the masterchain block, where its header is looked at.</param>
    public ProofChain(uint seqno, TestValidators.Session? session, params (TonAddress Address, Cell State)[] accounts)
    {
        _accounts = accounts.ToDictionary(account => account.Address, account => account.State);
        _shards = [Shard(seqno * 3, 0x4000_0000_0000_0000), Shard((seqno * 3) + 1, 0xC000_0000_0000_0000)];
        Config = new CellBuilder().StoreUInt(0xD1, 8).StoreUtf8("prices").Build();
        _mcState = State(BlockId.Masterchain, BlockId.WholeShard, seqno, AccountsOf(-1, BlockId.WholeShard), Extra());
        _mcBlock = TestBlocks.Block(TestBlocks.Header(seqno, isKey: false, Time, session), _mcState, TestBlocks.Extra(null));
        Id = new BlockId(BlockId.Masterchain, BlockId.WholeShard, seqno, _mcBlock.Hash, new CellHash(SHA256.HashData(BocWriter.Write(_mcBlock))));
    }

    public BlockId Id { get; }

    public Cell Config { get; }

    public static Cell Account(TonAddress address, ulong balance, StateInit? init = null, bool frozen = false)
    {
        CellBuilder builder = new CellBuilder().StoreBit(true).StoreAddress(address)
            .StoreVarUInt(3, 3).StoreVarUInt(700, 3).StoreUInt(1, 3).StoreHash(address.Id).StoreUInt(Time - 100, 32).StoreBit(true).StoreCoins(5)
            .StoreUInt(77, 64).StoreCoins(balance).StoreBit(false);
        return init is null
            ? frozen ? builder.StoreUInt(1, 2).StoreHash(address.Id).Build() : builder.StoreUInt(0, 2).Build()
            : builder.StoreBit(true).Store(init).Build();
    }

    public AccountProof ProofOf(TonAddress address)
    {
        byte[] state = _accounts.TryGetValue(address, out Cell? account) ? BocWriter.Write(account) : [];
        if (address.Workchain == -1)
        {
            return new AccountProof(Id, Id, [], Pair(Id, _mcBlock, _mcState, address), state);
        }

        (BlockId Id, Cell Block, Cell State) shard = _shards.Single(shard => shard.Id.Contains(address));
        return new AccountProof(Id, shard.Id, ShardProof(), Pair(shard.Id, shard.Block, shard.State, address), state);
    }

    public (byte[] Block, byte[] State) ConfigProof() =>
        (BocWriter.Write(MerkleProof.Create(PruneBlock(_mcBlock))), BocWriter.Write(MerkleProof.Create(PruneState(_mcState, null, keepExtra: true))));

    /// <summary>The proof of the masterchain block's header that a block link carries.</summary>
    public byte[] HeaderProof() => TestBlocks.HeaderProof(_mcBlock);

    private static Cell PruneBlock(Cell block) => TestBlocks.Prune(block, keep: 2);

    private static Cell State(int workchain, ulong shard, uint seqno, Cell accounts, Cell? extra)
    {
        int prefixBits = 63 - System.Numerics.BitOperations.TrailingZeroCount(shard);
        CellBuilder builder = new CellBuilder().StoreUInt(0x9023AFE2, 32).StoreInt(-239, 32)
            .StoreUInt(0, 2).StoreUInt((ulong)prefixBits, 6).StoreInt(workchain, 32).StoreUInt(shard & ~(shard & (0 - shard)), 64)
            .StoreUInt(seqno, 32).StoreUInt(0, 32).StoreUInt(Time, 32).StoreUInt(1000, 64).StoreUInt(0, 32).StoreBit(false)
            .StoreBit(extra is not null)
            .StoreReference(new CellBuilder().StoreUtf8("queue").Build()).StoreReference(accounts).StoreReference(new CellBuilder().StoreUtf8("totals").Build());
        return (extra is null ? builder : builder.StoreReference(extra)).Build();
    }

    private static Cell PruneState(Cell state, Cell? accounts, bool keepExtra)
    {
        CellBuilder builder = new CellBuilder().StoreBits(state.Data, state.BitLength)
            .StoreReference(MerkleProof.Prune(state.References[0]))
            .StoreReference(accounts ?? MerkleProof.Prune(state.References[1]))
            .StoreReference(MerkleProof.Prune(state.References[2]));
        if (state.References.Length == 4)
        {
            builder.StoreReference(keepExtra ? state.References[3] : MerkleProof.Prune(state.References[3]));
        }

        return builder.Build();
    }

    private byte[] Pair(BlockId id, Cell block, Cell state, TonAddress address) =>
        BocWriter.Write([
            MerkleProof.Create(PruneBlock(block)),
            MerkleProof.Create(PruneState(state, AccountsOf(id.Workchain, id.Shard, address.Id.ToArray()), keepExtra: false))]);

    /// <param name="path">For a proof: account cells are left out, and branches that do not lead to this key.</param>
    private static Cell BuildAccounts(IReadOnlyList<(byte[] Key, Cell Account)> entries, byte[]? path)
    {
        CellBuilder extra = DepthBalance(new CellBuilder());
        return entries.Count == 0
            ? DepthBalance(new CellBuilder().StoreBit(false)).Build()
            : new CellBuilder().StoreBit(true).StoreReference(Edge(entries, 0, path)).StoreCell(extra.Build()).Build();
    }

    private static CellBuilder DepthBalance(CellBuilder builder) => builder.StoreUInt(0, 5).StoreCoins(123).StoreBit(false);

    private static Cell Edge(IReadOnlyList<(byte[] Key, Cell Account)> entries, int start, byte[]? path)
    {
        CellBuilder builder = new();
        (byte[] key, Cell account) = entries[0];
        if (entries.Count == 1)
        {
            Hashmap.StoreLabel(builder, key, start, 256 - start, 256 - start);
            return DepthBalance(builder).StoreReference(path is null ? account : MerkleProof.Prune(account)).StoreHash(account.Hash).StoreUInt(4242, 64).Build();
        }

        int fork = start;
        while (entries.All(entry => BitCopy.Test(entry.Key, fork) == BitCopy.Test(key, fork)))
        {
            fork++;
        }

        Hashmap.StoreLabel(builder, key, start, fork - start, 256 - start);
        DepthBalance(builder);
        foreach (bool bit in new[] { false, true })
        {
            (byte[], Cell)[] branch = [.. entries.Where(entry => BitCopy.Test(entry.Key, fork) == bit)];
            builder.StoreReference(path is null || BitCopy.Test(path, fork) == bit
                ? Edge(branch, fork + 1, path)
                : MerkleProof.Prune(Edge(branch, fork + 1, null)));
        }

        return builder.Build();
    }

    private Cell AccountsOf(int workchain, ulong shard, byte[]? path = null) =>
        BuildAccounts([.. _accounts.Where(account => new BlockId(workchain, shard, 0, default, default).Contains(account.Key))
            .Select(account => (account.Key.Id.ToArray(), account.Value))], path);

    private (BlockId Id, Cell Block, Cell State) Shard(uint seqno, ulong shard)
    {
        Cell state = State(0, shard, seqno, AccountsOf(0, shard), null);
        Cell block = TestBlocks.Block(new CellBuilder().StoreUtf8("info").Build(), state, new CellBuilder().StoreUtf8("extra").Build());
        return (new BlockId(0, shard, seqno, block.Hash, new CellHash(SHA256.HashData(BocWriter.Write(block)))), block, state);
    }

    private Cell Extra()
    {
        Cell[] leaves = Array.ConvertAll(_shards, shard => new CellBuilder().StoreBit(false).StoreUInt(0xB, 4).StoreUInt(shard.Id.Seqno, 32)
            .StoreUInt(0, 32).StoreUInt(0, 64).StoreUInt(0, 64).StoreHash(shard.Id.RootHash).StoreHash(shard.Id.FileHash).Build());
        Hashmap shards = new(32);
        shards.Set(0, new CellBuilder().StoreReference(new CellBuilder().StoreBit(true).StoreReference(leaves[0]).StoreReference(leaves[1]).Build()).Build());
        Hashmap config = new(32);
        config.Set(21, new CellBuilder().StoreReference(Config).Build());
        config.Set(25, new CellBuilder().StoreReference(Cell.Empty).Build());
        return new CellBuilder().StoreUInt(0xCC26, 16).StoreMaybeReference(shards.ToCell()).StoreHash(default).StoreReference(config.ToCell()!).Build();
    }

    private byte[] ShardProof() => BocWriter.Write([MerkleProof.Create(PruneBlock(_mcBlock)), MerkleProof.Create(PruneState(_mcState, null, keepExtra: true))]);
}
