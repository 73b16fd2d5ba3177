using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

internal enum TableAddResult
{
    Added,

    /// <summary>It was there; its last answer is now.</summary>
    Known,

    /// <summary>The bucket is full of peers; only one that turns out dead makes room.</summary>
    Full,

    /// <summary>Too many of its address group are there.</summary>
    NotDiverse,
}

/// <summary>The k-buckets: peers by the length of the prefix that their id shares with ours.</summary>
/// <remarks>
/// Thread-safe. A live old peer is never evicted for a new one: old peers tend to stay, and an attacker with many new ids
/// gains nothing. At most two peers of one address group in a bucket and three in the table.
/// </remarks>
internal sealed class RoutingTable(PeerId local, int bucketSize, TimeProvider time)
{
    private const int MaxGroupInBucket = 2;
    private const int MaxGroupInTable = 3;

    private readonly Lock _gate = new();
    private readonly KadId _self = KadId.Of(local);
    private readonly Dictionary<PeerId, Entry> _entries = [];
    private readonly List<Entry>?[] _buckets = new List<Entry>?[KadId.Bits + 1];

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    public bool Contains(PeerId peer)
    {
        lock (_gate)
        {
            return _entries.ContainsKey(peer);
        }
    }

    public bool IsFull(int bucket)
    {
        lock (_gate)
        {
            return _buckets[bucket]?.Count >= bucketSize;
        }
    }

    /// <summary>Whether the peer would be news and could get in: its bucket has room, or holds one that has been silent for longer than <paramref name="grace"/>.</summary>
    public bool HasPlaceFor(PeerId peer, TimeSpan grace)
    {
        lock (_gate)
        {
            return !_entries.ContainsKey(peer)
                && (_buckets[_self.CommonPrefixLength(KadId.Of(peer))] is not { } bucket
                    || bucket.Count < bucketSize
                    || time.GetUtcNow() - bucket.Min(entry => entry.LastAnswer) > grace);
        }
    }

    /// <summary>Adds a peer that has just answered.</summary>
    /// <param name="group">Its address group; <c>null</c> exempts it from the diversity rules.</param>
    public TableAddResult TryAdd(PeerId peer, string? group)
    {
        KadId id = KadId.Of(peer);
        lock (_gate)
        {
            if (_entries.TryGetValue(peer, out Entry? known))
            {
                known.LastAnswer = time.GetUtcNow();
                known.Failures = 0;
                return TableAddResult.Known;
            }

            if (peer == local)
            {
                return TableAddResult.NotDiverse;
            }

            List<Entry> bucket = _buckets[_self.CommonPrefixLength(id)] ??= [];
            if (bucket.Count >= bucketSize)
            {
                return TableAddResult.Full;
            }

            if (group is not null
                && (bucket.Count(entry => entry.Group == group) >= MaxGroupInBucket
                    || _entries.Values.Count(entry => entry.Group == group) >= MaxGroupInTable))
            {
                return TableAddResult.NotDiverse;
            }

            DateTimeOffset now = time.GetUtcNow();
            Entry added = new(peer, id, group, now) { LastAnswer = now };
            bucket.Add(added);
            _entries.Add(peer, added);
            return TableAddResult.Added;
        }
    }

    /// <summary>The peer of the newcomer's bucket that has been silent longest, if for longer than <paramref name="grace"/>.</summary>
    public PeerId? EvictionCandidate(PeerId newcomer, TimeSpan grace)
    {
        lock (_gate)
        {
            Entry? oldest = _buckets[_self.CommonPrefixLength(KadId.Of(newcomer))]?.MinBy(entry => entry.LastAnswer);
            return oldest is not null && time.GetUtcNow() - oldest.LastAnswer > grace ? oldest.Peer : null;
        }
    }

    /// <summary>Counts a failed request; the second in a row removes the peer.</summary>
    public void Failed(PeerId peer)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(peer, out Entry? entry) && ++entry.Failures >= 2)
            {
                Remove(entry);
            }
        }
    }

    public void Remove(PeerId peer)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(peer, out Entry? entry))
            {
                Remove(entry);
            }
        }
    }

    /// <summary>Peers that have not answered for so long.</summary>
    public List<PeerId> Silent(TimeSpan grace)
    {
        lock (_gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            return [.. _entries.Values.Where(entry => now - entry.LastAnswer > grace).Select(entry => entry.Peer)];
        }
    }

    /// <summary>The <paramref name="count"/> known peers nearest to the target, nearest first.</summary>
    public List<PeerId> Closest(KadId target, int count)
    {
        List<(KadId Distance, PeerId Peer)> found = [];
        lock (_gate)
        {
            // Nearest first: the target's own bucket, then all deeper ones (they differ from it at the same bit), then outwards.
            int prefix = Math.Min(_self.CommonPrefixLength(target), KadId.Bits);
            Collect(prefix, target, found);
            if (found.Count < count)
            {
                for (int i = prefix + 1; i <= KadId.Bits; i++)
                {
                    Collect(i, target, found);
                }
            }

            for (int i = prefix - 1; i >= 0 && found.Count < count; i--)
            {
                Collect(i, target, found);
            }
        }

        found.Sort(static (a, b) => a.Distance.CompareTo(b.Distance));
        return [.. found.Take(count).Select(item => item.Peer)];
    }

    /// <summary>Prefix length of the deepest bucket in use; -1 for an empty table.</summary>
    public int DeepestBucket
    {
        get
        {
            lock (_gate)
            {
                return Array.FindLastIndex(_buckets, static bucket => bucket is { Count: > 0 });
            }
        }
    }

    public IReadOnlyList<KadBucketSnapshot> Snapshot()
    {
        lock (_gate)
        {
            return
            [
                .. _buckets.Index().Where(bucket => bucket.Item is { Count: > 0 }).Select(bucket => new KadBucketSnapshot(
                    bucket.Index, [.. bucket.Item!.Select(entry => new KadEntrySnapshot(entry.Peer, entry.AddedAt, entry.LastAnswer))])),
            ];
        }
    }

    private void Collect(int bucket, KadId target, List<(KadId Distance, PeerId Peer)> found)
    {
        foreach (Entry entry in _buckets[bucket] ?? [])
        {
            found.Add((entry.Id.DistanceTo(target), entry.Peer));
        }
    }

    private void Remove(Entry entry)
    {
        _entries.Remove(entry.Peer);
        _buckets[_self.CommonPrefixLength(entry.Id)]!.Remove(entry);
    }

    private sealed class Entry(PeerId peer, KadId id, string? group, DateTimeOffset addedAt)
    {
        public PeerId Peer { get; } = peer;

        public KadId Id { get; } = id;

        public string? Group { get; } = group;

        public DateTimeOffset AddedAt { get; } = addedAt;

        public DateTimeOffset LastAnswer { get; set; }

        public int Failures { get; set; }
    }
}
