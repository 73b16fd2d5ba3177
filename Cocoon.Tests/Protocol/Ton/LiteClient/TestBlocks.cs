using System.Security.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;

namespace Cocoon.Tests.Protocol.Ton.LiteClient;

/// <summary>Masterchain blocks as TL-B lays them out, made up, and proofs of their parts.</summary>
internal static class TestBlocks
{
    /// <summary><c>block_info#9bc7a987</c> of a masterchain block.</summary>
    public static Cell Header(uint seqno, bool isKey, uint time, TestValidators.Session? session) =>
        new CellBuilder().StoreUInt(0x9BC7A987, 32).StoreUInt(0, 32)
            .StoreUInt(0, 6).StoreBit(isKey).StoreBit(false).StoreUInt(0, 8)
            .StoreUInt(seqno, 32).StoreUInt(0, 32)
            .StoreUInt(0, 8).StoreInt(BlockId.Masterchain, 32).StoreUInt(0, 64)
            .StoreUInt(time, 32).StoreUInt(1000, 64).StoreUInt(2000, 64)
            .StoreUInt(session?.SetHash ?? 0, 32).StoreUInt(session?.CatchainSeqno ?? 0, 32).StoreUInt(0, 32).StoreUInt(0, 32)
            .StoreReference(Text("previous block")).Build();

    /// <summary><c>block_extra#4a33f6fd</c> of a masterchain block; with a configuration, of a key block.</summary>
    public static Cell Extra(Cell? config)
    {
        CellBuilder custom = new CellBuilder().StoreUInt(0xCCA5, 16).StoreBit(config is not null).StoreBit(false)
            .StoreBit(false).StoreCoins(7).StoreBit(false).StoreCoins(0).StoreBit(false)
            .StoreReference(Text("signatures of the previous block"));
        if (config is not null)
        {
            custom.StoreHash(config.Hash).StoreReference(config);
        }

        return new CellBuilder().StoreUInt(0x4A33F6FD, 32)
            .StoreReference(Text("in")).StoreReference(Text("out")).StoreReference(Text("accounts"))
            .StoreHash(default).StoreHash(default).StoreMaybeReference(custom.Build()).Build();
    }

    public static Cell Block(Cell header, Cell state, Cell extra)
    {
        Cell before = Text("before");
        Cell update = new CellBuilder().StoreUInt(4, 8).StoreHash(before.Hash).StoreHash(state.Hash).StoreUInt((ulong)before.Depth, 16).StoreUInt((ulong)state.Depth, 16)
            .StoreReference(MerkleProof.Prune(before)).StoreReference(MerkleProof.Prune(state)).Build(exotic: true);
        return new CellBuilder().StoreUInt(0x11EF55AA, 32).StoreInt(-239, 32)
            .StoreReference(header).StoreReference(Text("value flow")).StoreReference(update).StoreReference(extra).Build();
    }

    public static BlockId IdOf(uint seqno, Cell block) =>
        new(BlockId.Masterchain, BlockId.WholeShard, seqno, block.Hash, new CellHash(SHA256.HashData(BocWriter.Write(block))));

    public static byte[] HeaderProof(Cell block) => BocWriter.Write(MerkleProof.Create(Prune(block, keep: 0)));

    public static byte[] ConfigProof(Cell block) => BocWriter.Write(MerkleProof.Create(Prune(block, 0, 3)));

    /// <summary>The block with only some of its four parts.</summary>
    public static Cell Prune(Cell block, params ReadOnlySpan<int> keep)
    {
        CellBuilder builder = new CellBuilder().StoreBits(block.Data, block.BitLength);
        for (int i = 0; i < block.References.Length; i++)
        {
            builder.StoreReference(keep.Contains(i) ? block.References[i] : MerkleProof.Prune(block.References[i]));
        }

        return builder.Build();
    }

    private static Cell Text(string text) => new CellBuilder().StoreUtf8(text).Build();
}
