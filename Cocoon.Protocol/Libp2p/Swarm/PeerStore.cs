using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What is known of other peers: addresses with expiry, the newest signed record, when it was last seen.</summary>
/// <remarks>Thread-safe and bounded: addresses per peer, and peers, of which the longest unseen go first.</remarks>
internal sealed class PeerStore(Libp2pLimits limits, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Entry> _peers = [];

    public void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses, TimeSpan timeToLive)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            Entry entry = GetOrAdd(peer);
            foreach (Multiaddr address in addresses.Take(4 * limits.AddressesPerPeer))
            {
                entry.Set(address, now + timeToLive);
            }

            entry.Trim(limits.AddressesPerPeer);
        }
    }

    /// <summary>Takes a record that its peer signed in place of what is known, unless a newer one is; <c>false</c> then.</summary>
    public bool TryApplyRecord(PeerRecord record, TimeSpan timeToLive)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            Entry entry = GetOrAdd(record.Peer);
            if (record.Sequence <= entry.Sequence)
            {
                return false;
            }

            entry.Sequence = record.Sequence;
            entry.Addresses.Clear();
            foreach (Multiaddr address in record.Addresses.Take(limits.AddressesPerPeer))
            {
                entry.Set(address, now + timeToLive);
            }

            return true;
        }
    }

    /// <summary>Unexpired addresses; those that worked first.</summary>
    public IReadOnlyList<Multiaddr> GetAddresses(PeerId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out Entry? entry)
                ? [.. entry.Addresses.Where(a => a.Value.Expires > now).OrderByDescending(a => a.Value.WorkedAt).Select(a => a.Key)]
                : [];
        }
    }

    /// <summary>As <see cref="GetAddresses"/>, with what speaks for each.</summary>
    public IReadOnlyList<KnownAddress> Describe(PeerId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out Entry? entry)
                ? [.. entry.Addresses.Where(a => a.Value.Expires > now).OrderByDescending(a => a.Value.WorkedAt)
                    .Select(a => new KnownAddress(a.Key, a.Value.WorkedAt > DateTimeOffset.MinValue ? a.Value.WorkedAt : null, a.Value.Expires))]
                : [];
        }
    }

    /// <summary>The peer answered, at this address if one is given.</summary>
    public void MarkSeen(PeerId peer, Multiaddr? workingAddress, TimeSpan timeToLive)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            Entry entry = GetOrAdd(peer);
            entry.LastSeen = now;
            if (workingAddress is not null)
            {
                entry.Set(workingAddress, now + timeToLive, now);
                entry.Trim(limits.AddressesPerPeer);
            }
        }
    }

    /// <summary>All peers that were ever connected and have an address, the last seen first.</summary>
    public IReadOnlyList<SavedPeer> Export()
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return [.. _peers
                .Where(p => p.Value.LastSeen > DateTimeOffset.MinValue && p.Value.Addresses.Count > 0)
                .OrderByDescending(p => p.Value.LastSeen)
                .Select(p => new SavedPeer(p.Key, p.Value.LastSeen, [.. p.Value.Addresses.Where(a => a.Value.Expires > now).Select(a => a.Key)]))];
        }
    }

    public void Import(IEnumerable<SavedPeer> peers, TimeSpan timeToLive)
    {
        foreach (SavedPeer peer in peers)
        {
            AddAddresses(peer.Peer, peer.Addresses, timeToLive);
            lock (_lock)
            {
                GetOrAdd(peer.Peer).LastSeen = peer.LastSeen;
            }
        }
    }

    private Entry GetOrAdd(PeerId peer)
    {
        if (!_peers.TryGetValue(peer, out Entry? entry))
        {
            if (_peers.Count >= limits.StoredPeers)
            {
                // Rare enough at this size: one pass instead of a second structure to keep in order.
                _peers.Remove(_peers.MinBy(p => p.Value.LastSeen).Key);
            }

            entry = new Entry();
            _peers.Add(peer, entry);
        }

        return entry;
    }

    private sealed class Entry
    {
        public Dictionary<Multiaddr, (DateTimeOffset Expires, DateTimeOffset WorkedAt)> Addresses { get; } = [];

        public ulong Sequence { get; set; }

        public DateTimeOffset LastSeen { get; set; } = DateTimeOffset.MinValue;

        public void Set(Multiaddr address, DateTimeOffset expires, DateTimeOffset workedAt = default)
        {
            Multiaddr key = address.WithoutPeer();
            if (Addresses.TryGetValue(key, out (DateTimeOffset Expires, DateTimeOffset WorkedAt) known))
            {
                expires = known.Expires > expires ? known.Expires : expires;
                workedAt = known.WorkedAt > workedAt ? known.WorkedAt : workedAt;
            }

            Addresses[key] = (expires, workedAt);
        }

        public void Trim(int limit)
        {
            foreach (Multiaddr excess in Addresses.OrderByDescending(a => a.Value.WorkedAt).ThenByDescending(a => a.Value.Expires).Skip(limit).Select(a => a.Key).ToList())
            {
                Addresses.Remove(excess);
            }
        }
    }
}
