namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Parameters and limits of gossipsub, with their origin: the v1.1 and v1.2 specifications unless said otherwise.</summary>
public sealed class GossipsubOptions
{
    /// <summary>Wanted mesh degree.</summary>
    public int Degree { get; set; } = 6;

    /// <summary>Below this the heartbeat grafts (specification 4; go 5).</summary>
    public int DegreeLow { get; set; } = 4;

    /// <summary>Above this the heartbeat prunes.</summary>
    public int DegreeHigh { get; set; } = 12;

    /// <summary>Peers kept by score when pruning; the rest are kept at random.</summary>
    public int DegreeScore { get; set; } = 4;

    /// <summary>Outbound connections kept in a mesh, so that inbound Sybils cannot fill it. Below <see cref="DegreeLow"/>.</summary>
    public int DegreeOutbound { get; set; } = 2;

    /// <summary>At least this many peers outside the mesh get IHAVE.</summary>
    public int DegreeLazy { get; set; } = 6;

    public double GossipFactor { get; set; } = 0.25;

    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(1);

    public TimeSpan FirstHeartbeatDelay { get; set; } = TimeSpan.FromMilliseconds(100);

    public int CacheWindows { get; set; } = 5;

    public int GossipWindows { get; set; } = 3;

    /// <summary>Own bound: valid messages kept for IWANT.</summary>
    public long CacheBytes { get; set; } = 32 << 20;

    public TimeSpan SeenTimeToLive { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>Own bound: 120 s at more than 1 000 messages a second.</summary>
    public int SeenCapacity { get; set; } = 1 << 17;

    public TimeSpan FanoutTimeToLive { get; set; } = TimeSpan.FromSeconds(60);

    public TimeSpan PruneBackoff { get; set; } = TimeSpan.FromSeconds(60);

    public TimeSpan UnsubscribeBackoff { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>A GRAFT this soon after the PRUNE is penalised twice.</summary>
    public TimeSpan GraftFloodThreshold { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Own messages go to every peer of the topic that is not below the publish threshold.</summary>
    public bool FloodPublish { get; set; } = true;

    public int OpportunisticGraftTicks { get; set; } = 60;

    public int OpportunisticGraftPeers { get; set; } = 2;

    /// <summary>A message that was announced and asked for must come within this time, else the announcer broke a promise.</summary>
    public TimeSpan PromiseTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often one peer may fetch one message by IWANT.</summary>
    public int MaxTransmissions { get; set; } = 3;

    /// <summary>Ids asked of one peer in one heartbeat.</summary>
    public int MaxIHaveIds { get; set; } = 5000;

    /// <summary>IHAVE control messages heeded of one peer in one heartbeat.</summary>
    public int MaxIHaveMessages { get; set; } = 10;

    /// <summary>Own bound: ids that one peer may ask for in one heartbeat; more is misbehaviour.</summary>
    public int MaxIWantIds { get; set; } = 5000;

    /// <summary>Messages from this size are announced by IDONTWANT on arrival (go 1 KiB, js 512 B, rust 1000 B).</summary>
    public int IDontWantThreshold { get; set; } = 1024;

    /// <summary>IDONTWANT ids heeded of one peer in one heartbeat (js 512).</summary>
    public int MaxIDontWantIds { get; set; } = 512;

    /// <summary>Heartbeats an IDONTWANT is remembered (go).</summary>
    public int IDontWantHeartbeats { get; set; } = 3;

    /// <summary>Largest RPC read (go, specification).</summary>
    public int MaxRpcBytes { get; set; } = 1 << 20;

    /// <summary>Largest RPC written unless one message alone is larger: the default of rust-libp2p's reader.</summary>
    public int MaxSentRpcBytes { get; set; } = 64 << 10;

    /// <summary>Largest message data published or accepted; larger data belongs on streams.</summary>
    public int MaxMessageBytes { get; set; } = 60 << 10;

    /// <summary>Subscriptions remembered of one peer.</summary>
    public int MaxTopicsPerPeer { get; set; } = 512;

    /// <summary>Peers that gossip is exchanged with; a connection above it is left without streams.</summary>
    public int MaxPeers { get; set; } = 512;

    /// <summary>Messages waiting for a signature check or a validator; above it new arrivals are dropped and not marked as seen.</summary>
    public int ValidationQueue { get; set; } = 1024;

    /// <summary>
    /// Own bound: messages a second that one neighbour may bring first. All offers of sixteen models with 64 providers each, one every 15 s,
    /// are 68 a second from all neighbours together; in simulated networks of 10,000 it is 5.
    /// </summary>
    public double UnseenPerSecond { get; set; } = 64;

    /// <summary>The same at once: twice what waits for us in a neighbour's <see cref="SendQueueMessages"/> after a pause.</summary>
    public double UnseenBurst { get; set; } = 512;

    public int ValidationWorkers { get; set; } = Math.Clamp(Environment.ProcessorCount, 1, 8);

    /// <summary>A validator that takes longer has its message ignored.</summary>
    public TimeSpan ValidationTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Messages waiting to be sent to one peer.</summary>
    public int SendQueueMessages { get; set; } = 256;

    /// <summary>Bytes of messages waiting to be sent to one peer.</summary>
    public int SendQueueBytes { get; set; } = 1 << 20;

    /// <summary>A peer that accepts no bytes for so long loses its stream.</summary>
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Own bound: an RPC that has begun must be here in this time, or its stream is reset and the peer penalised. Three times
    /// <see cref="WriteTimeout"/>, after which our own writer would have given up.
    /// </summary>
    public TimeSpan ReadTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time to open a peer's outbound stream.</summary>
    public TimeSpan OpenTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Own value: beside <see cref="DegreeHigh"/> others, a new connection gets a stream of ours only after this time, when its peer
    /// opens one, or when it is wanted. Most connections of a large network are made for one request to the DHT, and trimming spares
    /// them for 20 s.
    /// </summary>
    public TimeSpan OpenDelay { get; set; } = TimeSpan.FromSeconds(30);

    public TimeSpan ReopenBackoff { get; set; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxReopenBackoff { get; set; } = TimeSpan.FromMinutes(1);

    public PeerScoreOptions Score { get; set; } = new();

    /// <summary>Judges a message's signature; the simulator puts its memory of earlier results in front.</summary>
    internal Func<GossipMessage, bool> Verify { get; set; } = MessageSigning.Verify;

    /// <summary>Randomness of peer choice; the simulator seeds it.</summary>
    public Random Random { get; set; } = Random.Shared;
}
