using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>Kinds of statements whose contradiction costs the stake.</summary>
internal enum BondStatementKind : byte
{
    /// <summary>Price fields of an offer; slot = price version.</summary>
    PriceList = 1,

    /// <summary>Settlement of a session; slot = hash of channel and session.</summary>
    Usage = 2,

    /// <summary>Attested session key; slot = epoch.</summary>
    SessionKey = 3,
}

/// <summary>What a bonded node signs. Two with equal kind and slot and different digests are a proof of equivocation.</summary>
/// <remarks><code>"CSTM" · bond 32 · kind u8 · slot 32 · digest 32 = 101 bytes; signed by the node key</code></remarks>
internal readonly record struct BondStatement(CellHash Bond, BondStatementKind Kind, CellHash Slot, CellHash Digest)
{
    public const int Size = 101;

    private const uint Magic = 0x4353544D;

    /// <summary>A slot that is a number, such as a price version.</summary>
    public static CellHash NumberSlot(ulong number)
    {
        Span<byte> slot = stackalloc byte[CellHash.Size];
        slot.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(slot[24..], number);
        return new CellHash(slot);
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        Bond.CopyTo(bytes.AsSpan(4));
        bytes[36] = (byte)Kind;
        Slot.CopyTo(bytes.AsSpan(37));
        Digest.CopyTo(bytes.AsSpan(69));
        return bytes;
    }

    public byte[] ToSign() => StatementDigest.Compute(ToBytes());

    public byte[] Sign(Ed25519PrivateKey nodeKey) => nodeKey.Sign(ToSign());

    public bool Verify(Ed25519PublicKey nodeKey, ReadOnlySpan<byte> signature) => nodeKey.Verify(ToSign(), signature);
}
