using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>What the router knows of one connected peer. Changed under the router's lock only.</summary>
internal sealed class GossipPeer(PeerId peer, bool isOutbound, GossipSendQueue queue)
{
    public PeerId Peer { get; } = peer;

    /// <summary>Whether we dialled it: such peers are harder to force upon us.</summary>
    public bool IsOutbound { get; } = isOutbound;

    public GossipSendQueue Queue { get; } = queue;

    /// <summary>What our outbound stream negotiated; <c>null</c> while there is none, and then nothing can be sent.</summary>
    public string? Protocol { get; set; }

    public bool CanSend => Protocol is not null;

    public bool SpeaksIDontWant => Protocol == GossipsubProtocol.V12;

    /// <summary>The stream it writes on; a newer one replaces it.</summary>
    public IPeerStream? Inbound { get; set; }

    public HashSet<string> Topics { get; } = [];

    /// <summary>As of the last heartbeat or penalty.</summary>
    public double Score { get; set; }

    public int IHaveMessages { get; set; }

    public int AskedIds { get; set; }

    public int IWantIds { get; set; }

    public int IDontWantIds { get; set; }

    /// <summary>Messages it does not want, with the heartbeat at which that is forgotten.</summary>
    public Dictionary<MessageId, long> DontWant { get; } = [];
}

/// <summary>Protocol ids spoken, best first. 1.0.0 and floodsub are not: they have no scoring and no back-off.</summary>
internal static class GossipsubProtocol
{
    public const string V12 = "/meshsub/1.2.0";
    public const string V11 = "/meshsub/1.1.0";

    public static IReadOnlyList<string> All { get; } = [V12, V11];
}
