using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Peers;

/// <summary>What each peer, and all peers of one owner together, may ask for in the current minute.</summary>
/// <remarks>Thread-safe. The table is bounded: it starts anew each minute and refuses strangers when full.</remarks>
internal sealed class PeerRate(int perMinute, TimeProvider time)
{
    /// <summary>An owner of many peers, in one network, may as often as so many peers. Own choice.</summary>
    private const int PeersPerOwner = 4;

    private const int MaxPeers = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, int> _peers = [];
    private readonly Dictionary<string, int> _owners = [];
    private long _minute;

    /// <param name="owner">As <see cref="PeerOwner"/> names it.</param>
    public bool TryTake(PeerId peer, string owner)
    {
        long minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        lock (_lock)
        {
            if (minute != _minute)
            {
                _peers.Clear();
                _owners.Clear();
                _minute = minute;
            }

            int ofPeer = _peers.GetValueOrDefault(peer), ofOwner = _owners.GetValueOrDefault(owner);
            if (ofPeer >= perMinute || ofOwner >= PeersPerOwner * perMinute || (ofPeer == 0 && _peers.Count >= MaxPeers))
            {
                return false;
            }

            (_peers[peer], _owners[owner]) = (ofPeer + 1, ofOwner + 1);
            return true;
        }
    }

    /// <summary>Gives one back: it was paid for, and the rate is for those who ask and do not pay.</summary>
    public void Return(PeerId peer, string owner)
    {
        lock (_lock)
        {
            Return(_peers, peer);
            Return(_owners, owner);
        }
    }

    private static void Return<TKey>(Dictionary<TKey, int> counts, TKey key)
        where TKey : notnull
    {
        if (counts.TryGetValue(key, out int count) && count > 1)
        {
            counts[key] = count - 1;
        }
    }
}
