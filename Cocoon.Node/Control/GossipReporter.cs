using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

namespace Cocoon.Node.Control;

/// <summary>Gossip as this node takes part in it: topics, meshes and the scores it gives its neighbours.</summary>
internal sealed class GossipReporter(PeerNetwork network, PeerNames names)
{
    public GossipTopicsDocument Topics()
    {
        GossipsubSnapshot snapshot = network.Gossip.Snapshot();
        return new GossipTopicsDocument(
            ControlJson.Schema,
            [.. snapshot.Topics.Select(t => new GossipTopicsDocument.Row(t.Topic, t.IsSubscribed, t.Mesh.Count, t.Subscribers.Count))],
            snapshot.Counts);
    }

    public GossipMeshDocument Mesh()
    {
        GossipsubSnapshot snapshot = network.Gossip.Snapshot();
        Dictionary<PeerId, GossipsubPeerSnapshot> peers = snapshot.Peers.ToDictionary(p => p.Peer);
        return new GossipMeshDocument(
            ControlJson.Schema,
            [
                .. snapshot.Topics.SelectMany(topic => topic.Subscribers.Union(topic.Mesh).Select(peer => new GossipMeshDocument.Row(
                    topic.Topic,
                    peer.ToString(),
                    names.Find(peer),
                    topic.Mesh.Contains(peer),
                    peers.GetValueOrDefault(peer)?.IsOutbound switch { true => "out", false => "in", null => null },
                    peers.GetValueOrDefault(peer)?.Protocol,
                    peers.GetValueOrDefault(peer)?.Score.Total))),
            ]);
    }

    public GossipScoresDocument Scores() => new(
        ControlJson.Schema,
        [
            .. network.Gossip.Snapshot().Peers.Select(p => new GossipScoresDocument.Row(
                p.Peer.ToString(), names.Find(p.Peer), p.Score.Total, p.Score.P1, p.Score.P2, p.Score.P3, p.Score.P3b, p.Score.P4, p.Score.P5, p.Score.P6, p.Score.P7, p.QueuedMessages)),
        ]);
}

/// <param name="Counts">Totals since the start.</param>
internal sealed record GossipTopicsDocument(int Schema, IReadOnlyList<GossipTopicsDocument.Row> Topics, GossipsubCounts Counts)
{
    /// <param name="Peers">Neighbours that announced the topic.</param>
    internal sealed record Row(string Topic, bool Subscribed, int Mesh, int Peers);
}

internal sealed record GossipMeshDocument(int Schema, IReadOnlyList<GossipMeshDocument.Row> Peers)
{
    internal sealed record Row(string Topic, string Peer, string? Name, bool InMesh, string? Direction, string? Protocol, double? Score);
}

internal sealed record GossipScoresDocument(int Schema, IReadOnlyList<GossipScoresDocument.Row> Peers)
{
    /// <param name="P1">Time in mesh. The weighted parts of gossipsub 1.1: P2 first deliveries, P3 mesh deliveries, P3b mesh failures, P4 invalid messages, P5 application, P6 peers on one address, P7 behaviour.</param>
    internal sealed record Row(
        string Peer, string? Name, double Score, double P1, double P2, double P3, double P3b, double P4, double P5, double P6, double P7, int Queued);
}
