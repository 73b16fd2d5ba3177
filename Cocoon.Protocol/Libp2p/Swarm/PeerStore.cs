using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What is known of other peers: addresses with expiry, the newest signed record, when it was last seen.</summary>
/// <remarks>
/// Thread-safe and bounded: addresses per peer, and peers, of which those that we never reached go first, then the longest unseen: who connects
/// to us under many names pushes out nobody that we can find again.
/// </remarks>
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
            // The first of them is heard last: it comes first.
            foreach (Multiaddr address in addresses.Take(4 * limits.AddressesPerPeer).Reverse())
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
            entry.Replace(record.Addresses.Take(limits.AddressesPerPeer), now + timeToLive);
            return true;
        }
    }

    /// <summary>Unexpired addresses: those that worked, then those heard last, for who is about to dial says what it knows best.</summary>
    public IReadOnlyList<Multiaddr> GetAddresses(PeerId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return _peers.TryGetValue(peer, out Entry? entry)
                ? [.. entry.Best(now).Select(a => a.Key)]
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
                ? [.. entry.Best(now).Select(a => new KnownAddress(a.Key, a.Value.WorkedAt > DateTimeOffset.MinValue ? a.Value.WorkedAt : null, a.Value.Expires))]
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
                entry.LastWorked = now;
                entry.Set(workingAddress, now + timeToLive, now);
                entry.Trim(limits.AddressesPerPeer);
            }
        }
    }

    /// <summary>All peers that were ever connected and have an address: those that we reached, then the others, the last seen first.</summary>
    public IReadOnlyList<SavedPeer> Export()
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return [.. _peers
                .Where(p => p.Value.LastSeen > DateTimeOffset.MinValue && p.Value.Addresses.Count > 0)
                .OrderByDescending(p => p.Value.LastWorked > DateTimeOffset.MinValue)
                .ThenByDescending(p => p.Value.LastSeen)
                .Select(p => new SavedPeer(p.Key, p.Value.LastSeen, [.. p.Value.Best(now).Select(a => a.Key)]) { LastWorked = p.Value.LastWorked })];
        }
    }

    public void Import(IEnumerable<SavedPeer> peers, TimeSpan timeToLive)
    {
        foreach (SavedPeer peer in peers)
        {
            AddAddresses(peer.Peer, peer.Addresses, timeToLive);
            lock (_lock)
            {
                Entry entry = GetOrAdd(peer.Peer);
                (entry.LastSeen, entry.LastWorked) = (peer.LastSeen, peer.LastWorked);
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
                _peers.Remove(_peers.MinBy(p => (p.Value.LastWorked, p.Value.LastSeen)).Key);
            }

            entry = new Entry();
            _peers.Add(peer, entry);
        }

        return entry;
    }

    private sealed class Entry
    {
        private long _heard;

        public Dictionary<Multiaddr, Known> Addresses { get; private set; } = [];

        public ulong Sequence { get; set; }

        public DateTimeOffset LastSeen { get; set; } = DateTimeOffset.MinValue;

        /// <summary>When we last reached it at an address; least value: never.</summary>
        public DateTimeOffset LastWorked { get; set; } = DateTimeOffset.MinValue;

        public IEnumerable<KeyValuePair<Multiaddr, Known>> Best(DateTimeOffset now) =>
            Addresses.Where(a => a.Value.Expires > now).OrderByDescending(a => a.Value.WorkedAt).ThenByDescending(a => a.Value.Heard);

        public void Set(Multiaddr address, DateTimeOffset expires, DateTimeOffset workedAt = default)
        {
            Multiaddr key = address.WithoutPeer();
            if (Addresses.TryGetValue(key, out Known known))
            {
                expires = known.Expires > expires ? known.Expires : expires;
                workedAt = known.WorkedAt > workedAt ? known.WorkedAt : workedAt;
            }

            Addresses[key] = new Known(expires, workedAt, ++_heard);
        }

        /// <summary>These alone are left; of those known before, what speaks for them stays.</summary>
        public void Replace(IEnumerable<Multiaddr> addresses, DateTimeOffset expires)
        {
            Dictionary<Multiaddr, Known> before = Addresses;
            Addresses = [];
            foreach (Multiaddr address in addresses.Reverse())
            {
                Known was = before.GetValueOrDefault(address.WithoutPeer());
                Set(address, was.Expires > expires ? was.Expires : expires, was.WorkedAt);
            }
        }

        /// <summary>
        /// Half of the places are for where the peer last proved itself: hearsay cannot push these out. The others go to what was heard last: a
        /// peer that moves often is not lost behind addresses that once worked.
        /// </summary>
        public void Trim(int limit)
        {
            if (Addresses.Count <= limit)
            {
                return;
            }

            HashSet<Multiaddr> kept = [.. Addresses.Where(a => a.Value.WorkedAt > DateTimeOffset.MinValue).OrderByDescending(a => a.Value.WorkedAt).Take(limit / 2).Select(a => a.Key)];
            kept.UnionWith(Addresses.OrderByDescending(a => a.Value.Heard).Select(a => a.Key).Where(a => !kept.Contains(a)).Take(limit - kept.Count).ToList());
            foreach (Multiaddr excess in Addresses.Keys.Where(a => !kept.Contains(a)).ToList())
            {
                Addresses.Remove(excess);
            }
        }
    }

    /// <param name="WorkedAt">Least value: never.</param>
    /// <param name="Heard">Rises with each time that an address of the peer is heard of.</param>
    private readonly record struct Known(DateTimeOffset Expires, DateTimeOffset WorkedAt, long Heard);
}
