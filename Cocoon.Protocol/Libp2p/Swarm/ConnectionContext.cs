using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Muxers;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What all connections of a node share.</summary>
internal sealed record ConnectionContext(Libp2pLimits Limits, TimeProvider Time, ILogger Logger)
{
    public MemoryBudget StreamMemory { get; } = new(Limits.NodeMemory);

    public StreamScope InboundStreams { get; } = new(Limits.NodeInboundStreams, Limits.InboundStreamsPerPeer, Limits);

    public StreamScope OutboundStreams { get; } = new(Limits.NodeOutboundStreams, Limits.OutboundStreamsPerPeer, Limits);

    public MemoryBudget WindowMemory { get; } = new(Limits.NodeMemory);

    /// <summary>Loopback and private addresses have no limits of their own: a LAN, or one machine.</summary>
    public bool ExemptsPrivate { get; init; }

    public StreamOwner OwnerOf(PeerId peer, Multiaddr remote) => new(
        peer,
        remote.IpAddress is { } ip && !(ExemptsPrivate && IpScopes.Of(ip) is IpScope.Loopback or IpScope.Private) ? InboundGate.ToGroup(ip) : null);
}
