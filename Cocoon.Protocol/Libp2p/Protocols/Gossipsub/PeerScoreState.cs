namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The counters of one peer, changed only by <see cref="PeerScore"/>.</summary>
internal sealed class PeerScoreState
{
    public Dictionary<string, TopicScoreState> Topics { get; } = [];

    public double Behaviour { get; set; }

    public string? Address { get; set; }

    /// <summary>When a peer that left is forgotten; <c>null</c> while connected.</summary>
    public DateTimeOffset? Expires { get; set; }
}

/// <summary>The counters of one peer in one topic.</summary>
internal sealed class TopicScoreState
{
    /// <summary><c>null</c> outside the mesh.</summary>
    public DateTimeOffset? GraftedAt { get; set; }

    public bool MeshDeliveriesActive { get; set; }

    public double FirstDeliveries { get; set; }

    public double MeshDeliveries { get; set; }

    public double MeshFailure { get; set; }

    public double Invalid { get; set; }
}
