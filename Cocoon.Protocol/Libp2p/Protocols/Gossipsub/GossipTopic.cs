namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>A topic that we are subscribed to: its mesh and who takes its messages.</summary>
/// <remarks>The mesh changes under the router's lock only.</remarks>
internal sealed class GossipTopic(string name, TopicValidator validator, TopicHandler handler)
{
    public string Name { get; } = name;

    public TopicValidator Validator { get; } = validator;

    public TopicHandler Handler { get; } = handler;

    /// <summary>Peers that full messages are exchanged with.</summary>
    public HashSet<GossipPeer> Mesh { get; } = [];
}

/// <summary>A topic that we publish to without being subscribed.</summary>
internal sealed class GossipFanout
{
    public HashSet<GossipPeer> Peers { get; } = [];

    public DateTimeOffset LastPublished { get; set; }
}
