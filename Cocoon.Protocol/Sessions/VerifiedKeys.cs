using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Protocol.Sessions;

/// <summary>Key records whose signature held, so that the same record is not verified for every session. Bounded; the oldest go first.</summary>
/// <remarks>
/// An entry is for one identity key and the exact bytes of record and signature. Whether a key may be used now is asked every time.
/// Records that are given out are shared: nobody changes them. Thread-safe.
/// </remarks>
internal sealed class VerifiedKeys(int capacity = VerifiedKeys.DefaultCapacity)
{
    /// <summary>Some per provider in use, over a few rotations.</summary>
    public const int DefaultCapacity = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, KeyRecord> _records = [];
    private readonly Queue<Digest> _order = new();

    /// <summary>As <see cref="SignedRecords.TryVerifyKey"/>.</summary>
    public bool TryVerify(ReadOnlySpan<byte> identityKey, SignedKeyRecord signed, [NotNullWhen(true)] out KeyRecord? record)
    {
        Digest key = DigestOf(identityKey, signed);
        lock (_lock)
        {
            if (_records.TryGetValue(key, out record))
            {
                return true;
            }
        }

        if (!SignedRecords.TryVerifyKey(identityKey, signed, out record))
        {
            return false;
        }

        lock (_lock)
        {
            if (_records.TryAdd(key, record))
            {
                _order.Enqueue(key);
                while (_order.Count > capacity)
                {
                    _records.Remove(_order.Dequeue());
                }
            }
        }

        return true;
    }

    private static Digest DigestOf(ReadOnlySpan<byte> identityKey, SignedKeyRecord signed)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> lengths = stackalloc byte[2 * sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(lengths, identityKey.Length);
        BinaryPrimitives.WriteInt32BigEndian(lengths[sizeof(int)..], signed.Signature.Length);
        hash.AppendData(lengths);
        hash.AppendData(identityKey);
        hash.AppendData(signed.Signature.Span);
        hash.AppendData(signed.Record.Span);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(digest);
        return new Digest(BinaryPrimitives.ReadUInt128BigEndian(digest), BinaryPrimitives.ReadUInt128BigEndian(digest[16..]));
    }

    /// <summary>A whole SHA-256: with half of it, 2⁶⁴ signatures of one's own would find a record that stands for another enclave's.</summary>
    private readonly record struct Digest(UInt128 High, UInt128 Low);
}
