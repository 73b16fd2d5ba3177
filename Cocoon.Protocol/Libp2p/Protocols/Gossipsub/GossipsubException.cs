namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>What a remote did against the gossipsub wire format.</summary>
internal enum GossipsubErrorCode
{
    /// <summary>Not a protobuf message of the RPC schema.</summary>
    Malformed,

    /// <summary>More entries of one kind than an RPC may have.</summary>
    TooManyEntries,

    /// <summary>A topic that is empty, too long or not UTF-8.</summary>
    BadTopic,
}

/// <summary>A violation by the remote; its stream is reset.</summary>
internal sealed class GossipsubException(GossipsubErrorCode code) : Exception($"gossipsub: {code}")
{
    public GossipsubErrorCode Code { get; } = code;
}
