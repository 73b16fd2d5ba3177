namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>How subscriptions and control messages of a peer are answered.</summary>
/// <remarks>Under the router's lock.</remarks>
internal sealed class ControlRules(GossipsubState state)
{
    private GossipsubOptions Options => state.Options;

    public void OnSubscriptions(GossipPeer peer, IReadOnlyList<GossipSubscription> subscriptions)
    {
        foreach (GossipSubscription subscription in subscriptions)
        {
            if (!subscription.Subscribe)
            {
                if (peer.Topics.Remove(subscription.Topic))
                {
                    LeaveTopic(peer, subscription.Topic);
                }
            }
            else if (peer.Topics.Count < Options.MaxTopicsPerPeer)
            {
                peer.Topics.Add(subscription.Topic);
            }
            else if (!peer.Topics.Contains(subscription.Topic))
            {
                state.Penalize(peer, 1);
                break;
            }
        }
    }

    public void OnControl(GossipPeer peer, GossipRpc rpc)
    {
        foreach (GossipPrune prune in rpc.Prune)
        {
            OnPrune(peer, prune);
        }

        foreach (string topic in rpc.Graft)
        {
            OnGraft(peer, topic);
        }

        OnIDontWant(peer, rpc.IDontWant);
        if (peer.Score >= Options.Score.GossipThreshold)
        {
            OnIHave(peer, rpc.IHave);
            OnIWant(peer, rpc.IWant);
        }
    }

    private void OnGraft(GossipPeer peer, string name)
    {
        // Not even a PRUNE for unknown topics: an answer would make a flood of made-up topics cost us more than the sender.
        if (!state.Topics.TryGetValue(name, out GossipTopic? topic) || topic.Mesh.Contains(peer))
        {
            return;
        }

        if (state.Backoffs.Until(name, peer.Peer) is { } until)
        {
            bool flood = until - state.Time.GetUtcNow() > Options.PruneBackoff - Options.GraftFloodThreshold;
            state.Penalize(peer, flood ? 2 : 1);
            state.Prune(topic, peer, Options.PruneBackoff);
        }
        else if (peer.Score < 0 || (topic.Mesh.Count >= Options.DegreeHigh && !peer.IsOutbound))
        {
            state.Prune(topic, peer, Options.PruneBackoff);
        }
        else
        {
            // A GRAFT means a subscription even when its announcement was lost.
            if (peer.Topics.Count < Options.MaxTopicsPerPeer)
            {
                peer.Topics.Add(name);
            }

            state.Graft(topic, peer);
        }
    }

    private void OnPrune(GossipPeer peer, GossipPrune prune)
    {
        if (state.Topics.TryGetValue(prune.Topic, out GossipTopic? topic))
        {
            state.Leave(topic, peer);
            state.Backoffs.Add(prune.Topic, peer.Peer, prune.Backoff > TimeSpan.Zero ? prune.Backoff : Options.PruneBackoff);
        }
    }

    private void OnIHave(GossipPeer peer, IReadOnlyList<GossipIHave> announcements)
    {
        if (announcements.Count == 0 || ++peer.IHaveMessages > Options.MaxIHaveMessages)
        {
            return;
        }

        HashSet<MessageId> wanted = [];
        foreach (GossipIHave announcement in announcements)
        {
            if (!state.Topics.ContainsKey(announcement.Topic))
            {
                continue;
            }

            foreach (MessageId id in announcement.Ids)
            {
                if (peer.AskedIds + wanted.Count >= Options.MaxIHaveIds)
                {
                    break;
                }

                if (!state.Seen.Contains(id))
                {
                    wanted.Add(id);
                }
            }
        }

        if (wanted.Count > 0)
        {
            List<MessageId> ids = [.. wanted];
            peer.AskedIds += ids.Count;
            state.Counters.IWantSent += ids.Count;
            state.Promises.Add(ids[Options.Random.Next(ids.Count)], peer.Peer);
            peer.Queue.IWant(ids);
        }
    }

    private void OnIWant(GossipPeer peer, IReadOnlyList<MessageId> ids)
    {
        foreach (MessageId id in ids)
        {
            if (++peer.IWantIds > Options.MaxIWantIds)
            {
                // Once per heartbeat: the flood itself is already cheap to ignore.
                if (peer.IWantIds == Options.MaxIWantIds + 1)
                {
                    state.Penalize(peer, 1);
                }

                return;
            }

            if (!peer.DontWant.ContainsKey(id) && state.Cache.TakeForPeer(id, peer.Peer, Options.MaxTransmissions) is { } message)
            {
                if (peer.Queue.Message(message.Raw))
                {
                    state.Counters.IWantServed++;
                }
                else
                {
                    state.Counters.Dropped++;
                }
            }
        }
    }

    private void OnIDontWant(GossipPeer peer, IReadOnlyList<MessageId> ids)
    {
        foreach (MessageId id in ids)
        {
            if (++peer.IDontWantIds > Options.MaxIDontWantIds)
            {
                return;
            }

            peer.DontWant[id] = state.Tick + Options.IDontWantHeartbeats;
        }
    }

    private void LeaveTopic(GossipPeer peer, string name)
    {
        if (state.Topics.TryGetValue(name, out GossipTopic? topic))
        {
            state.Leave(topic, peer);
        }

        if (state.Fanout.TryGetValue(name, out GossipFanout? fanout))
        {
            fanout.Peers.Remove(peer);
        }
    }
}
