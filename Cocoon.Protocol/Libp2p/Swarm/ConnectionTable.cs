using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>The open connections by peer, and who is protected from trimming.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ConnectionTable(Libp2pLimits limits, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, List<PeerConnection>> _byPeer = [];
    private readonly Dictionary<PeerId, HashSet<string>> _protected = [];
    private int _count;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    public IReadOnlyList<PeerConnection> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _byPeer.Values.SelectMany(list => list)];
            }
        }
    }

    /// <summary><c>false</c> when the peer or the node has too many; <paramref name="isFirst"/> tells whether the peer is new.</summary>
    public bool TryAdd(PeerConnection connection, out bool isFirst)
    {
        lock (_lock)
        {
            isFirst = !_byPeer.TryGetValue(connection.RemotePeer, out List<PeerConnection>? list);
            if (_count >= limits.ConnectionsHard || list?.Count >= limits.ConnectionsPerPeer)
            {
                return false;
            }

            if (list is null)
            {
                _byPeer.Add(connection.RemotePeer, list = []);
            }

            list.Add(connection);
            _count++;
            return true;
        }
    }

    /// <summary>Takes a connection out; <paramref name="isLast"/> tells whether the peer is gone with it.</summary>
    public bool Remove(PeerConnection connection, out bool isLast)
    {
        lock (_lock)
        {
            isLast = false;
            if (!_byPeer.TryGetValue(connection.RemotePeer, out List<PeerConnection>? list) || !list.Remove(connection))
            {
                return false;
            }

            _count--;
            isLast = list.Count == 0 && _byPeer.Remove(connection.RemotePeer);
            return true;
        }
    }

    /// <summary>The connection to use for new streams: a direct one before a relayed one, then the oldest.</summary>
    public bool TryGet(PeerId peer, [NotNullWhen(true)] out PeerConnection? connection)
    {
        lock (_lock)
        {
            connection = _byPeer.TryGetValue(peer, out List<PeerConnection>? list) ? Used(list) : null;
            return connection is not null;
        }
    }

    private static PeerConnection? Used(List<PeerConnection> connections) =>
        connections.Where(c => c.Session.Error is null).OrderBy(c => c.IsRelayed).FirstOrDefault();

    /// <summary>The oldest connection to the peer that does not lead through a relay.</summary>
    public bool TryGetDirect(PeerId peer, [NotNullWhen(true)] out PeerConnection? connection) =>
        TryGet(peer, out connection) && !connection.IsRelayed;

    /// <summary>Relayed connections that a direct one has replaced for a while and on which nothing runs any more.</summary>
    public IReadOnlyList<PeerConnection> ChooseReplaced()
    {
        DateTimeOffset settled = time.GetUtcNow() - limits.RelayedGrace;
        lock (_lock)
        {
            return [.. _byPeer.Values
                .Where(list => list.Count > 1 && list.Exists(c => !c.IsRelayed && c.Session.Error is null && c.OpenedAt <= settled))
                .SelectMany(list => list.Where(c => c.IsRelayed && c.Session.StreamCount == 0))];
        }
    }

    public IReadOnlyList<PeerConnection> GetAll(PeerId peer)
    {
        lock (_lock)
        {
            return _byPeer.TryGetValue(peer, out List<PeerConnection>? list) ? [.. list] : [];
        }
    }

    public void Protect(PeerId peer, string reason)
    {
        lock (_lock)
        {
            if (!_protected.TryGetValue(peer, out HashSet<string>? reasons))
            {
                _protected.Add(peer, reasons = []);
            }

            reasons.Add(reason);
        }
    }

    public void Unprotect(PeerId peer, string reason)
    {
        lock (_lock)
        {
            if (_protected.TryGetValue(peer, out HashSet<string>? reasons) && reasons.Remove(reason) && reasons.Count == 0)
            {
                _protected.Remove(peer);
            }
        }
    }

    /// <summary>
    /// Connections to close when there are more than the high watermark: unprotected ones past their grace, those beside another one to the
    /// same peer first, then those with the fewest streams, and of these the inbound and youngest (an old peer is not given up for a new one).
    /// Of a protected peer only the connection that is used is: with more of them it could push everybody else out.
    /// </summary>
    public IReadOnlyList<PeerConnection> ChooseExcess()
    {
        DateTimeOffset oldEnough = time.GetUtcNow() - limits.ConnectionGrace;
        lock (_lock)
        {
            if (_count <= limits.ConnectionsHigh)
            {
                return [];
            }

            HashSet<PeerConnection> used = [.. _byPeer.Values.Select(Used).OfType<PeerConnection>()];
            List<PeerConnection> open = [.. _byPeer.Values.SelectMany(list => list).Where(c => !(used.Contains(c) && _protected.ContainsKey(c.RemotePeer)))];

            // However many are protected, and by whose doing: half of the places stay with the others.
            int kept = Math.Max(limits.ConnectionsLow - (_count - open.Count), limits.ConnectionsLow / 2);
            return [.. open
                .Where(c => c.OpenedAt <= oldEnough)
                .OrderBy(used.Contains)
                .ThenBy(c => c.Session.StreamCount)
                .ThenBy(c => c.IsOutbound)
                .ThenByDescending(c => c.OpenedAt)
                .Take(Math.Max(0, open.Count - kept))];
        }
    }
}
