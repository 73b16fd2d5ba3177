using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Tl;

namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>Names a block: <c>tonNode.blockIdExt</c>.</summary>
/// <param name="Shard">Prefix of account ids, then a 1 bit, then zeros.</param>
internal readonly record struct BlockId(int Workchain, ulong Shard, uint Seqno, CellHash RootHash, CellHash FileHash)
{
    public const int Size = 80;

    public const int Masterchain = -1;

    public const ulong WholeShard = 1UL << 63;

    public static BlockId Read(ref TlReader reader) =>
        new(reader.ReadInt32(), reader.ReadUInt64(), reader.ReadUInt32(), reader.ReadInt256(), reader.ReadInt256());

    public void Write(TlWriter writer) => writer.Int32(Workchain).UInt64(Shard).UInt32(Seqno).Int256(RootHash).Int256(FileHash);

    public bool Contains(TonAddress address)
    {
        if (address.Workchain != Workchain || Shard == 0)
        {
            return false;
        }

        ulong marker = Shard & (0 - Shard);
        Span<byte> id = stackalloc byte[CellHash.Size];
        address.Id.CopyTo(id);
        ulong prefix = System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(id);
        return ((prefix ^ Shard) & ~(marker | (marker - 1))) == 0;
    }

    public override string ToString() => $"({Workchain},{Shard:x16},{Seqno})";
}
