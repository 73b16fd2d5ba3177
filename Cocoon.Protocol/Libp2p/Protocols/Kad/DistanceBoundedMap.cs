using System.Diagnostics.CodeAnalysis;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>A map of bounded size that keeps what is nearest to our own id: for the rest of the key space others are responsible.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class DistanceBoundedMap<T>(KadId self, int capacity)
    where T : class
{
    private readonly Dictionary<KadId, T> _items = [];
    private readonly SortedSet<KadId> _distances = [];

    public int Count => _items.Count;

    public IEnumerable<KeyValuePair<KadId, T>> Items => _items;

    public bool TryGet(KadId key, [NotNullWhen(true)] out T? item) => _items.TryGetValue(key, out item);

    /// <summary>Sets or adds; <c>false</c> when the map is full of nearer keys.</summary>
    public bool TrySet(KadId key, T item)
    {
        if (!_items.ContainsKey(key))
        {
            KadId distance = self.DistanceTo(key);
            if (_items.Count >= capacity)
            {
                KadId farthest = _distances.Max;
                if (distance.CompareTo(farthest) >= 0)
                {
                    return false;
                }

                Remove(self.DistanceTo(farthest));
            }

            _distances.Add(distance);
        }

        _items[key] = item;
        return true;
    }

    public void Remove(KadId key)
    {
        if (_items.Remove(key))
        {
            _distances.Remove(self.DistanceTo(key));
        }
    }
}
