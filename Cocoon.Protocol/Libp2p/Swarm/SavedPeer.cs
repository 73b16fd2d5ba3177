using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>A peer as it is kept on disk.</summary>
internal sealed record SavedPeer(PeerId Peer, DateTimeOffset LastSeen, IReadOnlyList<Multiaddr> Addresses);
