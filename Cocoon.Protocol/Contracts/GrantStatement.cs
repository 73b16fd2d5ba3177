using System.Buffers.Binary;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>The pay key lets a session key sign vouchers up to an absolute total. It cannot be revoked on chain: the cap is the whole risk.</summary>
/// <remarks><code>"CDLG" · channel 32 · session key 32 · cap u64 = 76 bytes, big-endian</code></remarks>
internal sealed record GrantStatement(CellHash Channel, Ed25519PublicKey SessionKey, ulong Cap)
{
    public const int Size = 76;

    private const uint Magic = 0x43444C47;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        Channel.CopyTo(bytes.AsSpan(4));
        SessionKey.Bytes.CopyTo(bytes.AsSpan(36));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(68), Cap);
        return bytes;
    }

    public byte[] Digest() => StatementDigest.Compute(ToBytes());

    public SignedGrant Sign(Ed25519PrivateKey payKey) => new(SessionKey, Cap, payKey.Sign(Digest()));

    public bool Verify(Ed25519PublicKey payKey, ReadOnlySpan<byte> signature) => payKey.Verify(Digest(), signature);
}
