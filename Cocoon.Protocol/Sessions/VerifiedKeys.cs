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
    private readonly Dictionary<UInt128, KeyRecord> _records = [];
    private readonly Queue<UInt128> _order = new();

    /// <summary>As <see cref="SignedRecords.TryVerifyKey"/>.</summary>
    public bool TryVerify(ReadOnlySpan<byte> identityKey, SignedKeyRecord signed, [NotNullWhen(true)] out KeyRecord? record)
    {
        UInt128 key = Key(identityKey, signed);
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

    /// <summary>Half of a SHA-256; only what was verified is looked up, so a collision would need two signatures of one identity key.</summary>
    private static UInt128 Key(ReadOnlySpan<byte> identityKey, SignedKeyRecord signed)
    {
        byte[] input = [.. identityKey, .. signed.Signature.Span, .. signed.Record.Span];
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, digest);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(digest);
    }
}
