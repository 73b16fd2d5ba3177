using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Sessions;

/// <summary>Evidence bundles seen before, by digest, so that a provider need not send them again. Bounded; the oldest go first.</summary>
/// <remarks>Thread-safe. Only saves bytes: every session appraises again under the policy and the time of then.</remarks>
internal sealed class KnownEvidence(int capacity = 128)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _bundles = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

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
            while (_order.Count > capacity)
            {
                _bundles.Remove(_order.Dequeue());
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
