namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What becomes of an inbound socket.</summary>
internal enum InboundVerdict
{
    /// <summary>It has a place for its handshake.</summary>
    Admitted,

    /// <summary>Its address may have one, but all are taken.</summary>
    Full,

    /// <summary>Its address has all that it may have, or comes too often.</summary>
    Refused,
}
