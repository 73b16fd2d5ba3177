using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Sessions;

/// <summary>Evidence bundles seen before, by digest, so that a provider need not send them again. Bounded; the oldest go first.</summary>
/// <remarks>Thread-safe. Only saves bytes: every session appraises again under the policy and the time of then.</remarks>
internal sealed class KnownEvidence(int capacity = 128)
{
    /// <summary>Of all bundles together. One has some kilobytes, with a vendor's collateral some tens of them; a host may make it a megabyte.</summary>
    public const long MaxBytes = 8 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _bundles = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private long _bytes;

    public void Add(ReadOnlySpan<byte> digest, ReadOnlyMemory<byte> bundle)
    {
        string key = Convert.ToHexString(digest);
        lock (_lock)
        {
            if (!_bundles.TryAdd(key, bundle))
            {
                return;
            }

            _order.Enqueue(key);
            _bytes += bundle.Length;
            while (_order.Count > capacity || _bytes > MaxBytes)
            {
                _bundles.Remove(_order.Dequeue(), out ReadOnlyMemory<byte> oldest);
                _bytes -= oldest.Length;
            }
        }
    }

    public bool TryGet(ReadOnlySpan<byte> digest, [NotNullWhen(true)] out byte[]? bundle)
    {
        lock (_lock)
        {
            bool found = _bundles.TryGetValue(Convert.ToHexString(digest), out ReadOnlyMemory<byte> bytes);
            bundle = found ? bytes.ToArray() : null;
            return found;
        }
    }

    public bool Contains(ReadOnlySpan<byte> digest)
    {
        lock (_lock)
        {
            return _bundles.ContainsKey(Convert.ToHexString(digest));
        }
    }
}
