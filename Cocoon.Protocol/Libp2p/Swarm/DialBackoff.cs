using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Which addresses failed lately and are left alone for a while, doubling with each failure.</summary>
/// <remarks>Thread-safe and bounded. Keys are whole ways to a peer: an address without its peer, or a relay's address with the peer behind it.</remarks>
internal sealed class DialBackoff(Libp2pLimits limits, TimeProvider time)
{
    private const int MaxEntries = 8192;

    private readonly Lock _lock = new();
    private readonly Dictionary<Multiaddr, (int Failures, DateTimeOffset Until)> _entries = [];

    public bool IsBlocked(Multiaddr address)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(address, out (int Failures, DateTimeOffset Until) entry) && entry.Until > time.GetUtcNow();
        }
    }

    public void Fail(Multiaddr address)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            int failures = Math.Min(_entries.GetValueOrDefault(address).Failures + 1, 16);
            if (_entries.Count < MaxEntries || _entries.ContainsKey(address))
            {
                double delay = Math.Min(limits.DialBackoff.TotalSeconds * Math.Pow(2, failures - 1), limits.DialBackoffMax.TotalSeconds);
                _entries[address] = (failures, now.AddSeconds(delay));
            }
        }
    }

    public void Succeed(Multiaddr address)
    {
        lock (_lock)
        {
            _entries.Remove(address);
        }
    }

    /// <summary>Forgets failures that are long over.</summary>
    public void Sweep()
    {
        DateTimeOffset old = time.GetUtcNow() - limits.DialBackoffMax;
        lock (_lock)
        {
            foreach (Multiaddr key in _entries.Where(entry => entry.Value.Until < old).Select(entry => entry.Key).ToList())
            {
                _entries.Remove(key);
            }
        }
    }
}
