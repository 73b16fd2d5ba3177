using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>How many inbound streams the node has: in all, of each peer over all of its connections, and of each protocol.</summary>
/// <remarks>Thread-safe; its lock is the innermost one. The limits of a single connection are its session's.</remarks>
internal sealed class StreamScopes(Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, int> _byPeer = [];
    private readonly Dictionary<string, int> _byProtocol = [];
    private int _count;

    /// <summary>Inbound streams now.</summary>
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

    /// <summary><c>false</c> when the node or this peer has all that it may have; else <see cref="Close"/> gives the place back.</summary>
    public bool TryOpen(PeerId peer)
    {
        lock (_lock)
        {
            int ofPeer = _byPeer.GetValueOrDefault(peer);
            if (_count >= limits.NodeInboundStreams || ofPeer >= limits.InboundStreamsPerPeer)
            {
                return false;
            }

            _count++;
            _byPeer[peer] = ofPeer + 1;
            return true;
        }
    }

    public void Close(PeerId peer)
    {
        lock (_lock)
        {
            _count--;
            Decrement(_byPeer, peer);
        }
    }

    /// <summary><c>false</c> when all peers together have as many streams of the protocol as the node serves; else <see cref="Leave"/> gives the place back.</summary>
    public bool TryEnter(string protocol)
    {
        lock (_lock)
        {
            int count = _byProtocol.GetValueOrDefault(protocol);
            if (count >= limits.NodeStreamsPerProtocol)
            {
                return false;
            }

            _byProtocol[protocol] = count + 1;
            return true;
        }
    }

    public void Leave(string protocol)
    {
        lock (_lock)
        {
            Decrement(_byProtocol, protocol);
        }
    }

    private static void Decrement<TKey>(Dictionary<TKey, int> counts, TKey key)
        where TKey : notnull
    {
        if (--counts[key] == 0)
        {
            counts.Remove(key);
        }
    }
}
