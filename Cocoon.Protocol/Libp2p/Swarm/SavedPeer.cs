using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>A peer as it is kept on disk.</summary>
internal sealed record SavedPeer(PeerId Peer, DateTimeOffset LastSeen, IReadOnlyList<Multiaddr> Addresses)
{
    /// <summary>When we last reached it at an address; least value: never.</summary>
    public DateTimeOffset LastWorked { get; init; }
}
