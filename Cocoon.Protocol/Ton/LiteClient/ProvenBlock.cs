using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>A block as a Merkle proof shows it: the header, and of a key block the configuration.</summary>
/// <remarks>The root hash is proven; the file hash of its <see cref="BlockId"/> never is, only signed.</remarks>
internal sealed class ProvenBlock
{
    private const uint BlockMagic = 0x11EF55AA;
    private const uint InfoMagic = 0x9BC7A987;
    private const uint ExtraMagic = 0x4A33F6FD;
    private const uint MasterchainExtraMagic = 0xCCA5;

    private readonly Cell _extra;

    private ProvenBlock(Cell extra) => _extra = extra;

    public required bool IsKeyBlock { get; init; }

    /// <summary>Unix seconds.</summary>
    public required uint GenUtime { get; init; }

    /// <summary>Short hash of the validator set that made it.</summary>
    public required uint ValidatorSetHash { get; init; }

    public required uint CatchainSeqno { get; init; }

    /// <exception cref="TonException">Not a proof of this block, or of a block with another number or shard.</exception>
    public static ProvenBlock Open(BlockId block, Cell proof)
    {
        CellSlice root = OpenRoot(block, proof);
        CellSlice info = root.LoadReference().BeginParse();
        root.LoadReference();
        root.LoadReference();
        if (info.LoadUInt32() != InfoMagic)
        {
            throw Invalid("the block has no header");
        }

        info.Skip(32 + 6);
        bool isKey = info.LoadBit();
        info.Skip(1 + 8);
        uint seqno = info.LoadUInt32();
        info.Skip(32);
        (int workchain, ulong shard) = ReadShard(info);
        uint genUtime = info.LoadUInt32();
        info.Skip(64 + 64);
        if (seqno != block.Seqno || workchain != block.Workchain || shard != block.Shard)
        {
            throw Invalid("the header is of another block");
        }

        return new ProvenBlock(root.LoadReference())
        {
            IsKeyBlock = isKey,
            GenUtime = genUtime,
            ValidatorSetHash = info.LoadUInt32(),
            CatchainSeqno = info.LoadUInt32(),
        };
    }

    /// <summary>The block's fields after magic and network id; the first reference is the header, the third the state update.</summary>
    public static CellSlice OpenRoot(BlockId block, Cell proof)
    {
        CellSlice root = MerkleProof.Open(proof, block.RootHash).BeginParse();
        if (root.LoadUInt32() != BlockMagic)
        {
            throw Invalid("the proven cell is not a block");
        }

        root.LoadInt32();
        return root;
    }

    /// <summary><c>shard_ident$00 shard_pfx_bits:(#&lt;= 60) workchain_id:int32 shard_prefix:uint64</c>; shard 0 for an impossible prefix.</summary>
    public static (int Workchain, ulong Shard) ReadShard(CellSlice slice)
    {
        slice.Skip(2);
        int prefixBits = (int)slice.LoadUInt(6);
        int workchain = slice.LoadInt32();
        ulong prefix = slice.LoadUInt64();
        return (workchain, prefixBits <= 60 ? prefix | (1UL << (63 - prefixBits)) : 0);
    }

    /// <summary>A parameter of the configuration that this key block carries. <c>false</c>: the proof shows that it has none.</summary>
    /// <exception cref="TonException">Not a key block, or the proof leaves the answer out.</exception>
    public bool TryGetConfig(int id, [NotNullWhen(true)] out Cell? parameter)
    {
        CellSlice extra = _extra.BeginParse();
        if (extra.LoadUInt32() != ExtraMagic)
        {
            throw Invalid("the block's extra part has an unknown layout");
        }

        for (int i = 0; i < 3; i++)
        {
            extra.LoadReference();
        }

        extra.Skip(256 + 256);
        CellSlice custom = (extra.LoadMaybeReference() ?? throw Invalid("the block is not of the masterchain")).BeginParse();
        if (custom.LoadUInt(16) != MasterchainExtraMagic || !custom.LoadBit())
        {
            throw Invalid("the block carries no configuration");
        }

        custom.LoadMaybeReference();
        SkipShardFees(custom);
        custom.LoadReference();
        custom.LoadHash();
        parameter = LookUp(custom.LoadReference(), id);
        return parameter is not null;
    }

    /// <summary>An entry of a configuration dictionary, or <c>null</c> when there is provably none.</summary>
    public static Cell? LookUp(Cell configuration, int id)
    {
        Span<byte> key = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(key, id);
        return HashmapReader.TryLookup(configuration, 32, key, out CellSlice? value) ? value.LoadReference() : null;
    }

    /// <summary><c>HashmapAugE 96 ShardFeeCreated ShardFeeCreated</c>: the extra is two currency collections.</summary>
    private static void SkipShardFees(CellSlice slice)
    {
        slice.LoadMaybeReference();
        for (int i = 0; i < 2; i++)
        {
            slice.LoadCoins();
            slice.LoadMaybeReference();
        }
    }

    private static TonException Invalid(string message) => new(TonErrorCode.ProofInvalid, message);
}
