using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The router's state at one moment, for inspection.</summary>
public sealed record GossipsubSnapshot(
    IReadOnlyList<GossipsubTopicSnapshot> Topics, IReadOnlyList<GossipsubPeerSnapshot> Peers, GossipsubCounts Counts)
{
    internal static GossipsubSnapshot Of(GossipsubState state)
    {
        List<GossipsubTopicSnapshot> topics = [];
        foreach (string name in state.Topics.Keys.Concat(state.Fanout.Keys))
        {
            GossipTopic? topic = state.Topics.GetValueOrDefault(name);
            topics.Add(new GossipsubTopicSnapshot(
                name,
                topic is not null,
                [.. (topic?.Mesh ?? state.Fanout[name].Peers).Select(peer => peer.Peer)],
                [.. state.Peers.Values.Where(peer => peer.Topics.Contains(name)).Select(peer => peer.Peer)]));
        }

        List<GossipsubPeerSnapshot> peers =
        [
            .. state.Peers.Values.Select(peer => new GossipsubPeerSnapshot(
                peer.Peer, peer.Protocol, peer.IsOutbound, [.. peer.Topics], state.Score.Explain(peer.Peer), peer.Queue.MessageCount)),
        ];
        GossipsubCounters c = state.Counters;
        return new GossipsubSnapshot(topics, peers, new GossipsubCounts(
            c.Published, c.Delivered, c.Duplicates, c.Rejected, c.Ignored, c.Throttled, c.Forwarded, c.Suppressed, c.Dropped,
            c.IHaveSent, c.IWantSent, c.IWantServed, c.Penalties, c.BytesIn, Interlocked.Read(ref c.BytesOut)));
    }
}

/// <param name="IsSubscribed"><c>false</c> for a topic that is only published to.</param>
/// <param name="Mesh">Peers that messages are exchanged with: the mesh, or the fanout of a topic that is only published to.</param>
/// <param name="Subscribers">All neighbours that announced the topic.</param>
public sealed record GossipsubTopicSnapshot(string Topic, bool IsSubscribed, IReadOnlyList<PeerId> Mesh, IReadOnlyList<PeerId> Subscribers);

/// <param name="Protocol">What our stream to it negotiated; <c>null</c> while it is not open.</param>
public sealed record GossipsubPeerSnapshot(
    PeerId Peer, string? Protocol, bool IsOutbound, IReadOnlyList<string> Topics, ScoreBreakdown Score, int QueuedMessages);

/// <summary>Totals since the start; see <see cref="GossipsubSnapshot"/>.</summary>
public sealed record GossipsubCounts(
    long Published,
    long Delivered,
    long Duplicates,
    long Rejected,
    long Ignored,
    long Throttled,
    long Forwarded,
    long Suppressed,
    long Dropped,
    long IHaveSent,
    long IWantSent,
    long IWantServed,
    long Penalties,
    long BytesIn,
    long BytesOut);
