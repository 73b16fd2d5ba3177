using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Until when which peer and we may not graft each other in a topic.</summary>
/// <remarks>Not thread-safe. Kept over disconnects: reconnecting must not end a back-off. Bounded; over the bound the longest goes, for nobody honest asks for long ones.</remarks>
internal sealed class PruneBackoffs(TimeProvider time)
{
    private const int MaxEntries = 1 << 14;

    private static readonly TimeSpan _longest = TimeSpan.FromHours(1);

    private readonly Dictionary<(string Topic, PeerId Peer), DateTimeOffset> _entries = [];

    /// <summary>Extends; never shortens.</summary>
    public void Add(string topic, PeerId peer, TimeSpan backoff)
    {
        DateTimeOffset until = time.GetUtcNow() + (backoff < _longest ? backoff : _longest);
        if (_entries.TryGetValue((topic, peer), out DateTimeOffset current) && current >= until)
        {
            return;
        }

        _entries[(topic, peer)] = until;
        if (_entries.Count > MaxEntries)
        {
            DropLongest();
        }
    }

    /// <summary>A quarter at once: a look at all of them for each would be the next thing to flood.</summary>
    private void DropLongest()
    {
        foreach ((string, PeerId) key in _entries.OrderByDescending(entry => entry.Value).Take(MaxEntries / 4).Select(entry => entry.Key).ToList())
        {
            _entries.Remove(key);
        }
    }

    public DateTimeOffset? Until(string topic, PeerId peer) =>
        _entries.TryGetValue((topic, peer), out DateTimeOffset until) && until > time.GetUtcNow() ? until : null;

    /// <param name="slack">How long an ended back-off is still obeyed by us, since the other's clock started later.</param>
    public bool Blocks(string topic, PeerId peer, TimeSpan slack) =>
        _entries.TryGetValue((topic, peer), out DateTimeOffset until) && until + slack > time.GetUtcNow();

    public void Expire(TimeSpan slack)
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach (((string, PeerId) key, DateTimeOffset until) in _entries)
        {
            if (until + slack <= now)
            {
                _entries.Remove(key);
            }
        }
    }
}
