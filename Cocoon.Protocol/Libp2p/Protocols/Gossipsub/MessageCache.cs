using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The last heartbeats' valid messages: what IHAVE announces and IWANT can fetch.</summary>
/// <remarks>Not thread-safe. Bounded by windows and by bytes; over the byte bound the oldest window's messages go first.</remarks>
internal sealed class MessageCache
{
    private readonly Dictionary<MessageId, Entry> _entries = [];
    private readonly LinkedList<List<MessageId>> _windows = new();
    private readonly int _windowCount;
    private readonly int _gossipWindows;
    private readonly long _maxBytes;
    private long _bytes;

    public MessageCache(int windowCount, int gossipWindows, long maxBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(windowCount, gossipWindows);
        _windowCount = windowCount;
        _gossipWindows = gossipWindows;
        _maxBytes = maxBytes;
        _windows.AddFirst([]);
    }

    public int Count => _entries.Count;

    /// <param name="message">Detached: the cache keeps its memory.</param>
    public void Put(GossipMessage message)
    {
        if (!_entries.TryAdd(message.Id, new Entry(message)))
        {
            return;
        }

        _windows.First!.Value.Add(message.Id);
        _bytes += message.Raw.Length;
        while (_bytes > _maxBytes && _windows.Count > 1)
        {
            DropOldestWindow();
        }

        if (_bytes > _maxBytes)
        {
            // One heartbeat brought more than the whole bound; its first messages have been forwarded, so only gossip loses.
            List<MessageId> window = _windows.First!.Value;
            int dropped = 0;
            while (_bytes > _maxBytes && dropped < window.Count - 1)
            {
                Remove(window[dropped++]);
            }

            window.RemoveRange(0, dropped);
        }
    }

    /// <summary>The message for an IWANT, unless this peer has fetched it <paramref name="maxTransmissions"/> times.</summary>
    public GossipMessage? TakeForPeer(MessageId id, PeerId peer, int maxTransmissions)
    {
        if (!_entries.TryGetValue(id, out Entry? entry))
        {
            return null;
        }

        int count = entry.Transmissions.GetValueOrDefault(peer) + 1;
        if (count > maxTransmissions)
        {
            return null;
        }

        entry.Transmissions[peer] = count;
        return entry.Message;
    }

    /// <summary>Ids of the topic in the windows that are gossiped about.</summary>
    public List<MessageId> GossipIds(string topic) => IdsOf(topic, _gossipWindows);

    /// <summary>Ids of the topic that came since the last heartbeat.</summary>
    public List<MessageId> NewestIds(string topic) => IdsOf(topic, 1);

    /// <summary>Once a heartbeat: opens a new window and drops the oldest.</summary>
    public void Shift()
    {
        if (_windows.Count == _windowCount)
        {
            DropOldestWindow();
        }

        _windows.AddFirst([]);
    }

    private List<MessageId> IdsOf(string topic, int windows)
    {
        List<MessageId> ids = [];
        foreach (List<MessageId> window in _windows.Take(windows))
        {
            foreach (MessageId id in window)
            {
                if (_entries.TryGetValue(id, out Entry? entry) && entry.Message.Topic == topic)
                {
                    ids.Add(id);
                }
            }
        }

        return ids;
    }

    private void DropOldestWindow()
    {
        foreach (MessageId id in _windows.Last!.Value)
        {
            Remove(id);
        }

        _windows.RemoveLast();
    }

    private void Remove(MessageId id)
    {
        if (_entries.Remove(id, out Entry? entry))
        {
            _bytes -= entry.Message.Raw.Length;
        }
    }

    private sealed class Entry(GossipMessage message)
    {
        public GossipMessage Message { get; } = message;

        public Dictionary<PeerId, int> Transmissions { get; } = [];
    }
}
