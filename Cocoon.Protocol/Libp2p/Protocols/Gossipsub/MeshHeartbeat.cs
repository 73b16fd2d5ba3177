namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The heartbeat: keeps each mesh at its degree and of good peers, and gossips about recent messages.</summary>
/// <remarks>Under the router's lock.</remarks>
internal sealed class MeshHeartbeat(GossipsubState state)
{
    private GossipsubOptions Options => state.Options;

    public void Beat()
    {
        state.Tick++;
        state.Score.Refresh();
        foreach ((Identity.PeerId peer, int broken) in state.Promises.TakeBroken())
        {
            state.Counters.Penalties++;
            state.Score.Penalize(peer, broken);
        }

        foreach (GossipPeer peer in state.Peers.Values)
        {
            StartHeartbeat(peer);
        }

        state.Seen.Expire(state.Time.GetUtcNow());
        if (state.Tick % 15 == 0)
        {
            state.Backoffs.Expire(state.BackoffSlack);
        }

        foreach (GossipTopic topic in state.Topics.Values)
        {
            Maintain(topic);
            Gossip(topic.Name, topic.Mesh);
        }

        MaintainFanout();
        state.Cache.Shift();
    }

    /// <summary>Fills the mesh at once, as on joining a topic.</summary>
    public void Fill(GossipTopic topic) => GraftUpTo(topic, Options.Degree - topic.Mesh.Count, _ => true);

    private void StartHeartbeat(GossipPeer peer)
    {
        peer.Score = state.Score.Of(peer.Peer);
        peer.IHaveMessages = 0;
        peer.AskedIds = 0;
        peer.IWantIds = 0;
        peer.IDontWantIds = 0;
        foreach ((MessageId id, long until) in peer.DontWant)
        {
            if (until <= state.Tick)
            {
                peer.DontWant.Remove(id);
            }
        }
    }

    private void Maintain(GossipTopic topic)
    {
        foreach (GossipPeer peer in topic.Mesh)
        {
            if (peer.Score < 0)
            {
                state.Prune(topic, peer, Options.PruneBackoff);
            }
        }

        if (topic.Mesh.Count < Options.DegreeLow)
        {
            Fill(topic);
        }

        if (topic.Mesh.Count > Options.DegreeHigh)
        {
            Trim(topic);
        }

        if (topic.Mesh.Count >= Options.DegreeLow)
        {
            int outbound = topic.Mesh.Count(static peer => peer.IsOutbound);
            GraftUpTo(topic, Options.DegreeOutbound - outbound, static peer => peer.IsOutbound);
        }

        if (state.Tick % Options.OpportunisticGraftTicks == 0 && topic.Mesh.Count > 1)
        {
            GraftBetter(topic);
        }
    }

    /// <summary>Down to D: the best by score, and enough outbound ones; the rest by chance, so that a high score is no monopoly.</summary>
    private void Trim(GossipTopic topic)
    {
        List<GossipPeer> peers = [.. topic.Mesh];
        state.Shuffle(peers);
        peers = [.. peers.OrderByDescending(static peer => peer.Score)];
        List<GossipPeer> rest = peers[Options.DegreeScore..];
        state.Shuffle(rest);
        List<GossipPeer> keep = [.. peers[..Options.DegreeScore], .. rest[..(Options.Degree - Options.DegreeScore)]];
        int missing = Options.DegreeOutbound - keep.Count(static peer => peer.IsOutbound);
        foreach (GossipPeer outbound in rest.Skip(Options.Degree - Options.DegreeScore).Where(static peer => peer.IsOutbound).Take(Math.Max(0, missing)))
        {
            int victim = keep.FindLastIndex(static peer => !peer.IsOutbound);
            keep[victim] = outbound;
        }

        foreach (GossipPeer peer in peers.Except(keep))
        {
            state.Prune(topic, peer, Options.PruneBackoff);
        }
    }

    private void GraftBetter(GossipTopic topic)
    {
        List<double> scores = [.. topic.Mesh.Select(static peer => peer.Score).Order()];
        double median = scores[scores.Count / 2];
        if (median < Options.Score.OpportunisticGraftThreshold)
        {
            GraftUpTo(topic, Options.OpportunisticGraftPeers, peer => peer.Score > median);
        }
    }

    private void GraftUpTo(GossipTopic topic, int count, Func<GossipPeer, bool> fits)
    {
        if (count <= 0)
        {
            return;
        }

        foreach (GossipPeer peer in state.Choose(topic.Name, count, peer => peer.Score >= 0
            && !topic.Mesh.Contains(peer)
            && !state.Backoffs.Blocks(topic.Name, peer.Peer, state.BackoffSlack)
            && fits(peer)))
        {
            state.Graft(topic, peer);
            peer.Queue.Graft(topic.Name);
        }
    }

    private void Gossip(string topic, HashSet<GossipPeer> exclude)
    {
        List<MessageId> ids = state.Cache.GossipIds(topic);
        if (ids.Count == 0)
        {
            return;
        }

        List<GossipPeer> peers = state.Choose(
            topic, int.MaxValue, peer => !exclude.Contains(peer) && peer.Score >= Options.Score.GossipThreshold);
        int count = Math.Min(peers.Count, Math.Max(Options.DegreeLazy, (int)(Options.GossipFactor * peers.Count)));
        foreach (GossipPeer peer in peers.Take(count))
        {
            Announce(topic, peer, ids);
        }

        // Whose GRAFT is refused may be in no mesh at all: where a few peers carry a topic for many, chance would leave it without most
        // messages. It hears of each one once.
        List<MessageId> newest = state.Cache.NewestIds(topic);
        if (newest.Count > 0)
        {
            foreach (GossipPeer peer in peers.Skip(count).Where(peer => state.Backoffs.Blocks(topic, peer.Peer, state.BackoffSlack)))
            {
                Announce(topic, peer, newest);
            }
        }
    }

    private void Announce(string topic, GossipPeer peer, List<MessageId> ids)
    {
        // A different selection for each peer, so that together they cover what one list cannot hold.
        List<MessageId> selected = [.. ids];
        state.Shuffle(selected);
        if (selected.Count > Options.MaxIHaveIds)
        {
            selected.RemoveRange(Options.MaxIHaveIds, selected.Count - Options.MaxIHaveIds);
        }

        state.Counters.IHaveSent += selected.Count;
        peer.Queue.IHave(topic, selected);
    }

    private void MaintainFanout()
    {
        DateTimeOffset now = state.Time.GetUtcNow();
        foreach ((string topic, GossipFanout fanout) in state.Fanout)
        {
            if (fanout.LastPublished + Options.FanoutTimeToLive <= now)
            {
                state.Fanout.Remove(topic);
                continue;
            }

            fanout.Peers.RemoveWhere(peer => !peer.Topics.Contains(topic) || peer.Score < Options.Score.PublishThreshold);
            FillFanout(topic, fanout);
            Gossip(topic, fanout.Peers);
        }
    }

    public void FillFanout(string topic, GossipFanout fanout)
    {
        fanout.Peers.UnionWith(state.Choose(
            topic,
            Options.Degree - fanout.Peers.Count,
            peer => !fanout.Peers.Contains(peer) && peer.Score >= Options.Score.PublishThreshold));
    }
}
