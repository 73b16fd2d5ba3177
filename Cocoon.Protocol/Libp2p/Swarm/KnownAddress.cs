using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>An address in the peer store.</summary>
/// <param name="WorkedAt">When the peer last proved itself there; <c>null</c>: merely announced.</param>
public sealed record KnownAddress(Multiaddr Address, DateTimeOffset? WorkedAt, DateTimeOffset ExpiresAt);
