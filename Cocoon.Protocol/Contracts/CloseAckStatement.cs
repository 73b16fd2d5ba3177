using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>The provider agrees to close at <paramref name="Total"/>: its last act on the channel, because later vouchers may be lost.</summary>
/// <remarks><code>"CCLS" · channel 32 · total u64 = 44 bytes, big-endian; signed by the provider key</code></remarks>
internal readonly record struct CloseAckStatement(CellHash Channel, ulong Total)
{
    public const int Size = 44;

    private const uint Magic = 0x43434C53;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        Channel.CopyTo(bytes.AsSpan(4));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(36), Total);
        return bytes;
    }

    public static bool TryDecode(ReadOnlySpan<byte> bytes, out CloseAckStatement ack)
    {
        ack = default;
        if (bytes.Length != Size || BinaryPrimitives.ReadUInt32BigEndian(bytes) != Magic)
        {
            return false;
        }

        ack = new CloseAckStatement(new CellHash(bytes[4..36]), BinaryPrimitives.ReadUInt64BigEndian(bytes[36..]));
        return ack.Total <= long.MaxValue;
    }

    public byte[] Digest() => StatementDigest.Compute(ToBytes());

    public byte[] Sign(Ed25519PrivateKey providerKey) => providerKey.Sign(Digest());

    public bool Verify(Ed25519PublicKey providerKey, ReadOnlySpan<byte> signature) => providerKey.Verify(Digest(), signature);
}
