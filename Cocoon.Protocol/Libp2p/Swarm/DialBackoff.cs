using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Which addresses failed lately and are left alone for a while, doubling with each failure.</summary>
/// <remarks>Thread-safe and bounded. Keys are whole ways to a peer: an address without its peer, or a relay's address with the peer behind it.</remarks>
internal sealed class DialBackoff(Libp2pLimits limits, TimeProvider time)
{
    private const int MaxEntries = 8192;

    private readonly Lock _lock = new();
    private readonly Dictionary<Multiaddr, Entry> _entries = [];

    /// <summary>Time until the address may be dialled again; zero when it may.</summary>
    /// <param name="expected">Who is looked for there. Whoever answered is at home: that others were not found there is no failure of its.</param>
    public TimeSpan WaitFor(Multiaddr address, PeerId? expected = null)
    {
        lock (_lock)
        {
            TimeSpan left = _entries.TryGetValue(address, out Entry entry) && (entry.Answered is null || entry.Answered != expected)
                ? entry.Until - time.GetUtcNow()
                : TimeSpan.Zero;
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <param name="answered">Who answered instead of the one who was dialled; <c>null</c>: nobody did.</param>
    public void Fail(Multiaddr address, PeerId? answered = null)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            int failures = Math.Min(_entries.GetValueOrDefault(address).Failures + 1, 16);
            if (_entries.Count < MaxEntries || _entries.ContainsKey(address))
            {
                double delay = Math.Min(limits.DialBackoff.TotalSeconds * Math.Pow(2, failures - 1), limits.DialBackoffMax.TotalSeconds);
                _entries[address] = new Entry(failures, now, now.AddSeconds(delay), answered);
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

    /// <summary>
    /// Its peer said lately that it listens there: one more try is due, however often it failed. Never sooner than the first wait after the
    /// last failure, and the next failure waits twice as long again: who names a stranger's address cannot have it dialled at will.
    /// </summary>
    public void Renew(Multiaddr address)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(address, out Entry entry) && entry.FailedAt + limits.DialBackoff < entry.Until)
            {
                _entries[address] = entry with { Until = entry.FailedAt + limits.DialBackoff };
            }
        }
    }

    /// <summary>One more try is due at once; another failure waits twice as long again.</summary>
    public void Forgive(Multiaddr address)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(address, out Entry entry))
            {
                _entries[address] = entry with { Until = time.GetUtcNow() };
            }
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

    private readonly record struct Entry(int Failures, DateTimeOffset FailedAt, DateTimeOffset Until, PeerId? Answered);
}
