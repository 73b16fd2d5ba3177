namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Who gets a message: our own by flood, mesh or fanout, others' along the mesh.</summary>
/// <remarks>Under the router's lock.</remarks>
internal sealed class MessagePropagation(GossipsubState state, MeshHeartbeat heartbeat)
{
    private const int MaxFanoutTopics = 256;

    /// <returns>To how many peers the message was queued.</returns>
    public int Publish(GossipMessage message)
    {
        state.Seen.TryAdd(message.Id, state.Time.GetUtcNow());
        state.Cache.Put(message);
        state.Counters.Published++;
        int sent = 0;
        foreach (GossipPeer peer in Recipients(message.Topic))
        {
            sent += Send(peer, message) ? 1 : 0;
        }

        return sent;
    }

    /// <param name="message">Detached and accepted.</param>
    public void Forward(GossipMessage message, GossipPeer? receivedFrom)
    {
        state.Cache.Put(message);
        if (!state.Topics.TryGetValue(message.Topic, out GossipTopic? topic))
        {
            return;
        }

        foreach (GossipPeer peer in topic.Mesh)
        {
            if (peer != receivedFrom && !peer.Peer.Bytes.SequenceEqual(message.From.Span) && Send(peer, message))
            {
                state.Counters.Forwarded++;
            }
        }
    }

    /// <summary>Tells the mesh that this message need not be sent to us again; before it is judged, or it would be too late.</summary>
    public void AnnounceArrival(PendingMessage arrived)
    {
        GossipMessage message = arrived.Message;
        if (message.Data.Length < state.Options.IDontWantThreshold || !state.Topics.TryGetValue(message.Topic, out GossipTopic? topic))
        {
            return;
        }

        foreach (GossipPeer peer in topic.Mesh)
        {
            if (peer != arrived.ReceivedFrom && peer.SpeaksIDontWant && arrived.AlsoFrom?.Contains(peer) != true)
            {
                peer.Queue.IDontWant(message.Id);
            }
        }
    }

    private IEnumerable<GossipPeer> Recipients(string topic)
    {
        if (state.Options.FloodPublish)
        {
            return state.Choose(topic, int.MaxValue, peer => peer.Score >= state.Options.Score.PublishThreshold);
        }

        if (state.Topics.TryGetValue(topic, out GossipTopic? joined))
        {
            return joined.Mesh;
        }

        if (!state.Fanout.TryGetValue(topic, out GossipFanout? fanout))
        {
            if (state.Fanout.Count >= MaxFanoutTopics)
            {
                return state.Choose(topic, state.Options.Degree, peer => peer.Score >= state.Options.Score.PublishThreshold);
            }

            state.Fanout.Add(topic, fanout = new GossipFanout());
        }

        fanout.LastPublished = state.Time.GetUtcNow();
        heartbeat.FillFanout(topic, fanout);
        return fanout.Peers;
    }

    private bool Send(GossipPeer peer, GossipMessage message)
    {
        if (peer.DontWant.ContainsKey(message.Id))
        {
            state.Counters.Suppressed++;
            return false;
        }

        bool queued = peer.CanSend && peer.Queue.Message(message.Raw);
        state.Counters.Dropped += queued ? 0 : 1;
        return queued;
    }
}
