using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>How many streams of one direction the node has: in all, with each peer over all of its connections, and of each protocol.</summary>
/// <remarks>Thread-safe; its lock is the innermost one. The limits of a single connection are its session's.</remarks>
internal sealed class StreamScope(int limit, int limitPerPeer, int limitPerProtocol)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, int> _byPeer = [];
    private readonly Dictionary<string, int> _byProtocol = [];
    private int _count;

    /// <summary>Streams now.</summary>
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

    /// <summary><c>null</c> when the node or this peer has all that it may have.</summary>
    public Place? TryOpen(PeerId peer)
    {
        lock (_lock)
        {
            int ofPeer = _byPeer.GetValueOrDefault(peer);
            if (_count >= limit || ofPeer >= limitPerPeer)
            {
                return null;
            }

            _count++;
            _byPeer[peer] = ofPeer + 1;
            return new Place(this, peer);
        }
    }

    /// <summary><c>false</c> when all peers together have as many streams of the protocol as the node has; else <see cref="Leave"/> gives the place back.</summary>
    public bool TryEnter(string protocol)
    {
        lock (_lock)
        {
            int count = _byProtocol.GetValueOrDefault(protocol);
            if (count >= limitPerProtocol)
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

    /// <summary>What one stream takes of the limits, until it is given back.</summary>
    public sealed class Place(StreamScope scope, PeerId peer)
    {
        private string? _protocol;
        private bool _isFree;

        /// <summary>Counts the stream for its protocol too; <c>false</c> when there are as many of it as there may be.</summary>
        public bool TryEnter(string protocol)
        {
            lock (scope._lock)
            {
                if (_isFree || _protocol is not null)
                {
                    return true;
                }

                bool entered = scope.TryEnter(protocol);
                _protocol = entered ? protocol : null;
                return entered;
            }
        }

        /// <summary>Idempotent.</summary>
        public void Free()
        {
            lock (scope._lock)
            {
                if (_isFree)
                {
                    return;
                }

                _isFree = true;
                scope._count--;
                Decrement(scope._byPeer, peer);
                if (_protocol is not null)
                {
                    scope.Leave(_protocol);
                }
            }
        }
    }
}
