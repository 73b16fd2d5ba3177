using Cocoon.Protocol.Libp2p.Muxers;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What all connections of a node share.</summary>
internal sealed record ConnectionContext(Libp2pLimits Limits, TimeProvider Time, ILogger Logger)
{
    public MemoryBudget StreamMemory { get; } = new(Limits.NodeMemory);

    public StreamScope InboundStreams { get; } = new(Limits.NodeInboundStreams, Limits.InboundStreamsPerPeer, Limits.NodeStreamsPerProtocol);

    public StreamScope OutboundStreams { get; } = new(Limits.NodeOutboundStreams, Limits.OutboundStreamsPerPeer, Limits.NodeStreamsPerProtocol);

    public MemoryBudget WindowMemory { get; } = new(Limits.NodeMemory);
}
