using System.Net;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Counts streams by peer and by IP group.</summary>
/// <remarks>Not thread-safe.</remarks>
internal sealed class StreamTally
{
    private readonly Dictionary<PeerId, int> _byPeer = [];
    private readonly Dictionary<IPAddress, int> _byIpGroup = [];

    public int Count { get; private set; }

    public int OfPeer(PeerId peer) => _byPeer.GetValueOrDefault(peer);

    public int OfIpGroup(IPAddress group) => _byIpGroup.GetValueOrDefault(group);

    public void Add(StreamOwner owner)
    {
        Count++;
        _byPeer[owner.Peer] = OfPeer(owner.Peer) + 1;
        if (owner.IpGroup is { } group)
        {
            _byIpGroup[group] = OfIpGroup(group) + 1;
        }
    }

    public void Remove(StreamOwner owner)
    {
        Count--;
        Decrement(_byPeer, owner.Peer);
        if (owner.IpGroup is { } group)
        {
            Decrement(_byIpGroup, group);
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
