namespace Cocoon.Protocol.Sessions;

internal enum ReplayVerdict
{
    Fresh = 0,
    Seen = 1,
    Full = 2,
}

/// <summary>Digests of the encapsulations accepted under one key. Bounded: a full set refuses rather than forgets.</summary>
/// <remarks>Thread-safe. Lives exactly as long as its key.</remarks>
internal sealed class ReplaySet(int capacity = ReplaySet.DefaultCapacity)
{
    /// <summary>
    /// 36 requests per second for an hour before a key is half used and replaced; the other half is for sessions that go on under it, 2,000
    /// per second for the minute that they may. 10 MiB when full.
    /// </summary>
    public const int DefaultCapacity = 1 << 18;

    private readonly Lock _lock = new();
    private readonly HashSet<UInt128> _seen = [];

    public bool IsHalfFull
    {
        get
        {
            lock (_lock)
            {
                return _seen.Count >= capacity / 2;
            }
        }
    }

    /// <param name="digest">SHA-256 of the encapsulation; its first 16 bytes are kept.</param>
    public ReplayVerdict TryAdd(ReadOnlySpan<byte> digest)
    {
        UInt128 value = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(digest);
        lock (_lock)
        {
            if (_seen.Contains(value))
            {
                return ReplayVerdict.Seen;
            }

            if (_seen.Count >= capacity)
            {
                return ReplayVerdict.Full;
            }

            _seen.Add(value);
            return ReplayVerdict.Fresh;
        }
    }
}
