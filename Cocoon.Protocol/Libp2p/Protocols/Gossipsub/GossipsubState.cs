using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Everything that the rules of gossipsub work on, without streams or tasks.</summary>
/// <remarks>Not thread-safe: every use is under the router's lock.</remarks>
internal sealed class GossipsubState(PeerId local, GossipsubOptions options, TimeProvider time)
{
    public PeerId Local { get; } = local;

    public GossipsubOptions Options { get; } = options;

    public TimeProvider Time { get; } = time;

    public Dictionary<PeerId, GossipPeer> Peers { get; } = [];

    public Dictionary<string, GossipTopic> Topics { get; } = [];

    public Dictionary<string, GossipFanout> Fanout { get; } = [];

    public PeerScore Score { get; } = new(options.Score, time);

    public SeenCache Seen { get; } = new(options.SeenTimeToLive, options.SeenCapacity);

    public MessageCache Cache { get; } = new(options.CacheWindows, options.GossipWindows, options.CacheBytes);

    public PruneBackoffs Backoffs { get; } = new(time);

    public IWantPromises Promises { get; } = new(options.PromiseTimeout, time);

    public GossipsubCounters Counters { get; } = new();

    /// <summary>A peer came into a topic's mesh, or left it.</summary>
    public Action<PeerId, string, bool>? MeshChanged { get; set; }

    /// <summary>Heartbeats so far.</summary>
    public long Tick { get; set; }

    /// <summary>One heartbeat of slack for back-offs, since the other side's began later.</summary>
    public TimeSpan BackoffSlack => Options.HeartbeatInterval;

    /// <summary>Peers that can be sent to and subscribed to the topic, and fit; in random order.</summary>
    public List<GossipPeer> Choose(string topic, int count, Func<GossipPeer, bool> fits)
    {
        List<GossipPeer> candidates = [];
        foreach (GossipPeer peer in Peers.Values)
        {
            if (peer.CanSend && peer.Topics.Contains(topic) && fits(peer))
            {
                candidates.Add(peer);
            }
        }

        Shuffle(candidates);
        if (candidates.Count > count)
        {
            candidates.RemoveRange(Math.Max(0, count), candidates.Count - Math.Max(0, count));
        }

        return candidates;
    }

    public void Shuffle<T>(List<T> items) => Options.Random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(items));

    public void Graft(GossipTopic topic, GossipPeer peer)
    {
        if (topic.Mesh.Add(peer))
        {
            Score.Graft(peer.Peer, topic.Name);
            MeshChanged?.Invoke(peer.Peer, topic.Name, true);
        }
    }

    /// <summary>Takes the peer out of the mesh; whether and how it is told is the caller's matter.</summary>
    public bool Leave(GossipTopic topic, GossipPeer peer)
    {
        bool left = topic.Mesh.Remove(peer);
        if (left)
        {
            Score.Prune(peer.Peer, topic.Name);
            MeshChanged?.Invoke(peer.Peer, topic.Name, false);
        }

        return left;
    }

    /// <summary>Takes the peer out of the mesh, tells it, and blocks a graft from either side for the back-off.</summary>
    public void Prune(GossipTopic topic, GossipPeer peer, TimeSpan backoff)
    {
        Leave(topic, peer);
        Backoffs.Add(topic.Name, peer.Peer, backoff);
        peer.Queue.Prune(topic.Name, backoff);
    }

    public void Penalize(GossipPeer peer, double amount)
    {
        Counters.Penalties++;
        Score.Penalize(peer.Peer, amount);
        peer.Score = Score.Of(peer.Peer);
    }

    /// <summary>Drops all that depends on the peer's streams; its score stays.</summary>
    public void Detach(GossipPeer peer)
    {
        foreach (GossipTopic topic in Topics.Values)
        {
            Leave(topic, peer);
        }

        foreach (GossipFanout fanout in Fanout.Values)
        {
            fanout.Peers.Remove(peer);
        }
    }
}
