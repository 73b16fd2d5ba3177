namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Ids of messages that were accepted for processing, for a time and up to a number.</summary>
/// <remarks>
/// Not thread-safe. The time runs from the first sight. When full the oldest id goes first: a flood can make a node
/// process a message again, but not make it forget to bound its memory.
/// </remarks>
internal sealed class SeenCache(TimeSpan timeToLive, int capacity)
{
    private readonly HashSet<MessageId> _ids = [];
    private readonly Queue<(MessageId Id, DateTimeOffset Expires)> _order = new();

    public int Count => _ids.Count;

    public bool Contains(MessageId id) => _ids.Contains(id);

    /// <summary><c>false</c> when the id was there already.</summary>
    public bool TryAdd(MessageId id, DateTimeOffset now)
    {
        Expire(now);
        if (!_ids.Add(id))
        {
            return false;
        }

        if (_order.Count == capacity)
        {
            _ids.Remove(_order.Dequeue().Id);
        }

        _order.Enqueue((id, now + timeToLive));
        return true;
    }

    public void Expire(DateTimeOffset now)
    {
        while (_order.TryPeek(out (MessageId Id, DateTimeOffset Expires) oldest) && oldest.Expires <= now)
        {
            _order.Dequeue();
            _ids.Remove(oldest.Id);
        }
    }
}
