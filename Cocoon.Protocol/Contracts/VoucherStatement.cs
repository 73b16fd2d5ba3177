using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>A promise of the client: the provider may have <paramref name="Total"/> nanotons of this channel, counted from its opening.</summary>
/// <param name="Channel">The channel's account id; the workchain is always 0.</param>
/// <param name="Nonce">For the off-chain protocol; the contract does not look at it.</param>
/// <remarks><code>"CVCH" · channel 32 · total u64 · nonce u64 = 52 bytes, big-endian</code></remarks>
internal readonly record struct VoucherStatement(CellHash Channel, ulong Total, ulong Nonce)
{
    public const int Size = 52;

    private const uint Magic = 0x43564348;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        Channel.CopyTo(bytes.AsSpan(4));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(36), Total);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(44), Nonce);
        return bytes;
    }

    /// <summary><c>false</c> for another length or magic, or a total above 2⁶³ − 1.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out VoucherStatement voucher)
    {
        voucher = default;
        if (bytes.Length != Size || BinaryPrimitives.ReadUInt32BigEndian(bytes) != Magic)
        {
            return false;
        }

        voucher = new VoucherStatement(
            new CellHash(bytes[4..36]), BinaryPrimitives.ReadUInt64BigEndian(bytes[36..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[44..]));
        return voucher.Total <= long.MaxValue;
    }

    public byte[] Digest() => StatementDigest.Compute(ToBytes());

    public byte[] Sign(Ed25519PrivateKey key) => key.Sign(Digest());

    public bool Verify(Ed25519PublicKey key, ReadOnlySpan<byte> signature) => key.Verify(Digest(), signature);
}
