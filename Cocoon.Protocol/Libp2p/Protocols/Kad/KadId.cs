using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>A point of the Kademlia key space: the SHA-256 of a key or of a peer id's bytes. Distances (XOR) have the same type.</summary>
internal readonly record struct KadId(ulong A, ulong B, ulong C, ulong D) : IComparable<KadId>
{
    public const int Bits = 256;

    public static KadId Of(ReadOnlySpan<byte> key)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(key, hash);
        return new KadId(
            BinaryPrimitives.ReadUInt64BigEndian(hash),
            BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[24..]));
    }

    public static KadId Of(PeerId peer) => Of(peer.Bytes);

    public KadId DistanceTo(KadId other) => new(A ^ other.A, B ^ other.B, C ^ other.C, D ^ other.D);

    /// <summary>Leading bits in common; 256 for the same id.</summary>
    public int CommonPrefixLength(KadId other)
    {
        KadId distance = DistanceTo(other);
        return distance switch
        {
            { A: not 0 } => BitOperations.LeadingZeroCount(distance.A),
            { B: not 0 } => 64 + BitOperations.LeadingZeroCount(distance.B),
            { C: not 0 } => 128 + BitOperations.LeadingZeroCount(distance.C),
            { D: not 0 } => 192 + BitOperations.LeadingZeroCount(distance.D),
            _ => Bits,
        };
    }

    public int CompareTo(KadId other)
    {
        int order = A.CompareTo(other.A);
        order = order != 0 ? order : B.CompareTo(other.B);
        order = order != 0 ? order : C.CompareTo(other.C);
        return order != 0 ? order : D.CompareTo(other.D);
    }

    /// <summary>Lower-case hexadecimal.</summary>
    public override string ToString() => $"{A:x16}{B:x16}{C:x16}{D:x16}";
}
