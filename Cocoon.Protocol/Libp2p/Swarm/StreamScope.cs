namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>How many streams of one direction the node has: in all, with each peer over all of its connections, and of each protocol.</summary>
/// <remarks>
/// Thread-safe; its lock is the innermost one. The limits of a single connection are its session's. Few addresses cannot shut out the
/// others: one has a share of what all may have, and the first streams of every peer are let in whatever the others do.
/// </remarks>
internal sealed class StreamScope(int limit, int limitPerPeer, Libp2pLimits limits)
{
    private readonly Lock _lock = new();
    private readonly StreamTally _all = new();
    private readonly Dictionary<string, StreamTally> _byProtocol = [];

    /// <summary>Streams now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _all.Count;
            }
        }
    }

    /// <summary><c>null</c> when the node, this peer or its address has all that it may have.</summary>
    public Place? TryOpen(StreamOwner owner)
    {
        lock (_lock)
        {
            if (_all.OfPeer(owner.Peer) >= limitPerPeer || !HasRoom(_all, owner, limit))
            {
                return null;
            }

            _all.Add(owner);
            return new Place(this, owner);
        }
    }

    /// <summary><c>false</c> when there are as many streams of the protocol as there may be; else <see cref="Leave"/> gives the place back.</summary>
    public bool TryEnter(StreamOwner owner, string protocol)
    {
        lock (_lock)
        {
            StreamTally tally = _byProtocol.GetValueOrDefault(protocol) ?? new StreamTally();
            if (!HasRoom(tally, owner, limits.NodeStreamsPerProtocol))
            {
                return false;
            }

            tally.Add(owner);
            _byProtocol[protocol] = tally;
            return true;
        }
    }

    public void Leave(StreamOwner owner, string protocol)
    {
        lock (_lock)
        {
            StreamTally tally = _byProtocol[protocol];
            tally.Remove(owner);
            if (tally.Count == 0)
            {
                _byProtocol.Remove(protocol);
            }
        }
    }

    private bool HasRoom(StreamTally tally, StreamOwner owner, int most) =>
        tally.OfPeer(owner.Peer) < limits.AssuredStreamsPerPeer
        || (tally.Count < most && (owner.IpGroup is not { } group || tally.OfIpGroup(group) < Math.Max(1, most / limits.StreamSharesPerIp)));

    /// <summary>What one stream takes of the limits, until it is given back.</summary>
    public sealed class Place(StreamScope scope, StreamOwner owner)
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

                bool entered = scope.TryEnter(owner, protocol);
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
                scope._all.Remove(owner);
                if (_protocol is not null)
                {
                    scope.Leave(owner, _protocol);
                }
            }
        }
    }
}
