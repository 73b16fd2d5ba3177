using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

internal enum DeliveryStatus
{
    /// <summary>No record: never seen, or long ago.</summary>
    None,
    Validating,
    Valid,
    Invalid,
    Ignored,
}

/// <summary>Who brought each recent message and what became of it, so that duplicates are credited or charged rightly.</summary>
/// <remarks>Not thread-safe. Bounded in records, time and peers per record.</remarks>
internal sealed class DeliveryRecords(TimeProvider time)
{
    private const int MaxRecords = 1 << 16;
    private const int MaxPeers = 64;

    private static readonly TimeSpan _timeToLive = TimeSpan.FromSeconds(120);

    private readonly Dictionary<MessageId, Record> _records = [];
    private readonly Queue<(MessageId Id, DateTimeOffset Expires)> _order = new();

    public void Begin(MessageId id)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (!_records.TryAdd(id, new Record()))
        {
            return;
        }

        _order.Enqueue((id, now + _timeToLive));
        if (_order.Count > MaxRecords)
        {
            _records.Remove(_order.Dequeue().Id);
        }
    }

    /// <returns>Peers that brought the message while it was being validated.</returns>
    public IReadOnlyCollection<PeerId> Finish(MessageId id, DeliveryStatus status)
    {
        if (!_records.TryGetValue(id, out Record? record) || record.Status != DeliveryStatus.Validating)
        {
            return [];
        }

        record.Status = status;
        record.FinishedAt = time.GetUtcNow();
        IReadOnlyCollection<PeerId> peers = record.Peers ?? [];
        record.Peers = null;
        return peers;
    }

    /// <param name="sinceFinished">Time since the message was judged.</param>
    public DeliveryStatus Duplicate(MessageId id, PeerId peer, out TimeSpan sinceFinished)
    {
        sinceFinished = TimeSpan.Zero;
        if (!_records.TryGetValue(id, out Record? record))
        {
            return DeliveryStatus.None;
        }

        if (record.Status == DeliveryStatus.Validating)
        {
            record.Peers ??= [];
            if (record.Peers.Count < MaxPeers)
            {
                record.Peers.Add(peer);
            }
        }
        else
        {
            sinceFinished = time.GetUtcNow() - record.FinishedAt;
        }

        return record.Status;
    }

    public void Expire(DateTimeOffset now)
    {
        while (_order.TryPeek(out (MessageId Id, DateTimeOffset Expires) oldest) && oldest.Expires <= now)
        {
            _records.Remove(_order.Dequeue().Id);
        }
    }

    private sealed class Record
    {
        public DeliveryStatus Status { get; set; } = DeliveryStatus.Validating;

        public DateTimeOffset FinishedAt { get; set; }

        public HashSet<PeerId>? Peers { get; set; }
    }
}
