namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>What the router has done since it started.</summary>
internal sealed class GossipsubCounters
{
    public long Published { get; set; }

    public long Delivered { get; set; }

    public long Duplicates { get; set; }

    public long Rejected { get; set; }

    public long Ignored { get; set; }

    /// <summary>Arrivals dropped because the validation queue, the sender's share of it or its allowance was used up.</summary>
    public long Throttled { get; set; }

    public long Forwarded { get; set; }

    /// <summary>Copies not sent because the peer had said that it does not want them.</summary>
    public long Suppressed { get; set; }

    /// <summary>Copies dropped because the peer was too slow.</summary>
    public long Dropped { get; set; }

    public long IHaveSent { get; set; }

    public long IWantSent { get; set; }

    public long IWantServed { get; set; }

    public long Penalties { get; set; }

    public long BytesIn { get; set; }

    /// <summary>Added to by the writers, outside the lock.</summary>
    public long BytesOut;
}
