using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols;

namespace Cocoon.Node.Peers;

/// <summary>Who a peer probably belongs to: peer ids cost nothing, addresses do.</summary>
internal static class PeerOwner
{
    /// <summary>The /24 or /48 that it is connected from; on loopback, in a private network and behind privacy relays each peer is one of its own.</summary>
    public static string Of(ILibp2pHost host, PeerId peer) => IpGroups.NetworkOf(host, peer) ?? peer.ToString();
}
