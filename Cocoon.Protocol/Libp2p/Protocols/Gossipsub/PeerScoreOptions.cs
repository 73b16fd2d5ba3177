using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Thresholds and weights of the peer score (gossipsub v1.1); js-libp2p's defaults where no other origin is named.</summary>
public sealed class PeerScoreOptions
{
    /// <summary>Below: no gossip is sent to or taken from the peer.</summary>
    public double GossipThreshold { get; set; } = -10;

    /// <summary>Below: own messages are not flooded to the peer.</summary>
    public double PublishThreshold { get; set; } = -50;

    /// <summary>Below: every RPC of the peer is dropped unread.</summary>
    public double GraylistThreshold { get; set; } = -80;

    /// <summary>A mesh whose median is below takes better peers in, slowly. Own value: topics without traffic must not reach it.</summary>
    public double OpportunisticGraftThreshold { get; set; } = 1;

    /// <summary>Cap of the topics' sum, so that good behaviour in many topics cannot hide bad behaviour.</summary>
    public double TopicScoreCap { get; set; } = 10;

    /// <summary>P5: what the application knows of the peer; <c>null</c> is 0.</summary>
    public Func<PeerId, double>? ApplicationScore { get; set; }

    public double ApplicationWeight { get; set; } = 10;

    /// <summary>P6: surplus of peers on one address, squared. 0 turns it off, as on loopback where all peers share one.</summary>
    public double IpColocationWeight { get; set; } = -5;

    public int IpColocationThreshold { get; set; } = 10;

    /// <summary>P7: protocol misbehaviour above the threshold, squared. Own value, as decay and threshold.</summary>
    public double BehaviourWeight { get; set; } = -10;

    public double BehaviourThreshold { get; set; } = 6;

    public double BehaviourDecay { get; set; } = 0.9;

    public TimeSpan DecayInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Counters below are zero.</summary>
    public double DecayToZero { get; set; } = 0.01;

    /// <summary>How long a peer that left with a score of 0 or less is remembered.</summary>
    public TimeSpan RetainScore { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Own bound on remembered peers that are not connected.</summary>
    public int MaxRetained { get; set; } = 4096;

    public TopicScoreOptions Topic { get; set; } = new();

    /// <summary>Topics scored by other parameters than <see cref="Topic"/>.</summary>
    public Dictionary<string, TopicScoreOptions> Topics { get; } = [];
}

/// <summary>Weights of one topic's part of the score.</summary>
public sealed class TopicScoreOptions
{
    public double Weight { get; set; } = 0.5;

    /// <summary>P1: time in the mesh, in quanta.</summary>
    public double TimeInMeshWeight { get; set; } = 0.0027;

    public TimeSpan TimeInMeshQuantum { get; set; } = TimeSpan.FromSeconds(1);

    public double TimeInMeshCap { get; set; } = 3600;

    /// <summary>P2: messages the peer was first to deliver.</summary>
    public double FirstDeliveriesWeight { get; set; } = 1;

    public double FirstDeliveriesDecay { get; set; } = 0.5;

    public double FirstDeliveriesCap { get; set; } = 2000;

    /// <summary>
    /// P3: deficit of deliveries in the mesh, squared. Off by default: on a quiet topic it would punish every honest peer.
    /// </summary>
    public double MeshDeliveriesWeight { get; set; }

    public double MeshDeliveriesDecay { get; set; } = 0.5;

    public double MeshDeliveriesThreshold { get; set; } = 20;

    public double MeshDeliveriesCap { get; set; } = 100;

    public TimeSpan MeshDeliveriesActivation { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>A duplicate counts as a delivery when it comes this soon after the first was validated.</summary>
    public TimeSpan MeshDeliveriesWindow { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>P3b: what stays of a deficit when the peer leaves the mesh. Off with P3.</summary>
    public double MeshFailureWeight { get; set; }

    public double MeshFailureDecay { get; set; } = 0.5;

    /// <summary>P4: invalid messages, squared. Own value, as the decay.</summary>
    public double InvalidMessagesWeight { get; set; } = -20;

    public double InvalidMessagesDecay { get; set; } = 0.9;
}
