namespace Cocoon.Protocol.Libp2p;

/// <summary>Every bound on what remotes can make this node hold, do or wait for. Defaults name their origin.</summary>
/// <remarks>Bounds that are part of a message format stay beside its parser.</remarks>
public sealed record Libp2pLimits
{
    /// <summary>Trimming goes down to this many connections. go-libp2p's connection manager.</summary>
    public int ConnectionsLow { get; init; } = 160;

    /// <summary>Trimming starts above this many connections. go-libp2p.</summary>
    public int ConnectionsHigh { get; init; } = 192;

    /// <summary>No connection beyond this is accepted or dialled. Own choice: room for bursts between two trims.</summary>
    public int ConnectionsHard { get; init; } = 512;

    /// <summary>Connections that trimming leaves alone for their first time. go-libp2p (20 s).</summary>
    public TimeSpan ConnectionGrace { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Connections from one IPv4 address or IPv6 /56; not on loopback and private ones in LAN mode. go-libp2p.</summary>
    public int ConnectionsPerIp { get; init; } = 8;

    /// <summary>Of these and of handshakes, in one IPv4 /24 or IPv6 /48, which have many addresses and often one owner. go-libp2p (64 connections of a /48).</summary>
    public int ConnectionsPerNetwork { get; init; } = 64;

    /// <summary>Connections with one peer; both sides dialling at once makes two. Own choice.</summary>
    public int ConnectionsPerPeer { get; init; } = 4;

    /// <summary>Inbound connections in their handshake. go-libp2p's transient scope.</summary>
    public int PendingUpgrades { get; init; } = 64;

    /// <summary>The same, from one IP. Own choice.</summary>
    public int PendingUpgradesPerIp { get; init; } = 4;

    /// <summary>The same, from one IPv4 /24 or IPv6 /48. Own choice: a quarter of all.</summary>
    public int PendingUpgradesPerNetwork { get; init; } = 16;

    /// <summary>When all are taken, a newcomer gets the place of the oldest handshake that has had this time: silence costs nothing. Own choice.</summary>
    public TimeSpan PendingUpgradePatience { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Inbound connections per second from one IP, and the burst above it. js-libp2p (5).</summary>
    public int InboundConnectionsPerSecond { get; init; } = 5;

    public int InboundConnectionBurst { get; init; } = 10;

    /// <summary>From accepted socket to multiplexer. js-libp2p.</summary>
    public TimeSpan UpgradeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>From first SYN to multiplexer. js-libp2p.</summary>
    public TimeSpan DialTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Dials under way in the whole node. Own choice (js 100): a lookup in the DHT that strangers lead to addresses where nobody answers has
    /// 10 × <see cref="ParallelDialsPerPeer"/>, and must leave some to others.
    /// </summary>
    public int ParallelDials { get; init; } = 128;

    /// <summary>Names being resolved, each of which holds a thread of the process for as long as its owner likes. Own choice.</summary>
    public int ParallelResolutions { get; init; } = 4;

    /// <summary>Addresses of one peer dialled at a time. Own choice.</summary>
    public int ParallelDialsPerPeer { get; init; } = 8;

    /// <summary>Addresses of one peer that are remembered and tried. Own choice (js 25).</summary>
    public int AddressesPerPeer { get; init; } = 16;

    /// <summary>After a failed dial; doubled each time up to <see cref="DialBackoffMax"/>. go-libp2p (5 s, 5 min).</summary>
    public TimeSpan DialBackoff { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan DialBackoffMax { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Peers in the peer store without a connection; the longest unseen go first. Own choice.</summary>
    public int StoredPeers { get; init; } = 4096;

    /// <summary>Streams that the remote may have open on one connection. Own choice (go and js 1000).</summary>
    public int InboundStreams { get; init; } = 512;

    /// <summary>Streams that the remote may have open on all of its connections together. Own choice: as on one.</summary>
    public int InboundStreamsPerPeer { get; init; } = 512;

    /// <summary>Streams that all remotes together may have open, besides those that each is assured of. Own choice.</summary>
    public int NodeInboundStreams { get; init; } = 8192;

    /// <summary>
    /// First streams of a peer, in all and of a protocol, that are let in however many the others have. Own choice: identify, gossip, the
    /// DHT and a few requests; times <see cref="ConnectionsHard"/> they are as many as the node's own limit.
    /// </summary>
    public int AssuredStreamsPerPeer { get; init; } = 16;

    /// <summary>One IPv4 address or IPv6 /56 may have a share of one in so many of the node's streams, in all and of a protocol. Own choice.</summary>
    public int StreamSharesPerIp { get; init; } = 8;

    /// <summary>Streams of one protocol that all remotes together may have open, and that we may have open to all of them. Own choice.</summary>
    public int NodeStreamsPerProtocol { get; init; } = 4096;

    /// <summary>Streams that we may have open on one connection. js-libp2p.</summary>
    public int OutboundStreams { get; init; } = 1000;

    /// <summary>Streams that we may have open on all connections to one peer together. Own choice: as on one.</summary>
    public int OutboundStreamsPerPeer { get; init; } = 1000;

    /// <summary>Streams that we may have open to all peers together. Own choice: as many as they to us.</summary>
    public int NodeOutboundStreams { get; init; } = 8192;

    /// <summary>Outbound streams that the remote has not acknowledged yet. go-yamux (accept backlog).</summary>
    public int UnacknowledgedStreams { get; init; } = 256;

    /// <summary>Inbound streams per second on one connection, and the burst above it, against open-and-reset floods. Own choice.</summary>
    public int InboundStreamsPerSecond { get; init; } = 1000;

    public int InboundStreamBurst { get; init; } = 2000;

    /// <summary>Inbound streams of one protocol on one connection, unless named below. js-libp2p.</summary>
    public int StreamsPerProtocol { get; init; } = 32;

    /// <summary>Exceptions by protocol prefix. go-libp2p's service scopes where they are lower.</summary>
    public IReadOnlyDictionary<string, int> StreamsByProtocol { get; init; } = new Dictionary<string, int>
    {
        ["/ipfs/id/"] = 16,
        ["/ipfs/ping/"] = 2,
        ["/meshsub/"] = 2,
        ["/libp2p/circuit/relay/0.2.0/hop"] = 24,
        ["/libp2p/circuit/relay/0.2.0/stop"] = 64,
        ["/libp2p/autonat/"] = 2,
        ["/libp2p/dcutr"] = 2,
        ["/perf/"] = 128,
        ["/cocoon/infer/"] = 256,
    };

    /// <summary>Time for an inbound stream to agree on a protocol. js-libp2p.</summary>
    public TimeSpan StreamNegotiationTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Inbound streams on which nothing moved for this long are reset. Own choice (js 120 s).</summary>
    public TimeSpan StreamIdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Protocol prefixes whose streams may be silent for long.</summary>
    public IReadOnlyList<string> IdleProtocols { get; init; } = ["/meshsub/", "/cocoon/infer/", "/libp2p/circuit/relay/"];

    /// <summary>Protocol prefixes that run over a relay's limited circuits: small requests, and inference, for which relays may allow more.</summary>
    public IReadOnlyList<string> LimitedProtocols { get; init; } =
        ["/ipfs/id/", "/ipfs/ping/", "/libp2p/dcutr", "/cocoon/infer/", "/cocoon/offers/", "/cocoon/pay/", "/cocoon/relay/"];

    /// <summary>How long a relayed connection without streams stays beside a direct one to the same peer. Own choice.</summary>
    public TimeSpan RelayedGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Head start of an address before the peer's next one is tried beside it. RFC 8305, section 5, and go-libp2p's dial ranker.</summary>
    public TimeSpan DialAttemptDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The same of private and loopback addresses, which answer at once or not at all. go-libp2p's dial ranker.</summary>
    public TimeSpan NearDialAttemptDelay { get; init; } = TimeSpan.FromMilliseconds(30);

    /// <summary>Head start of direct addresses before a peer is dialled through relays. go-libp2p's dial ranker.</summary>
    public TimeSpan RelayDialDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a stream that we closed waits for the remote's end before it is reset. Own choice (go 5 min).</summary>
    public TimeSpan StreamLinger { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Largest receive window of a stream. go-yamux and js-libp2p.</summary>
    public int MaxStreamWindow { get; init; } = 16 * 1024 * 1024;

    /// <summary>Bytes buffered, and window granted above 256 KiB a stream, on one connection. Own choice.</summary>
    public long ConnectionMemory { get; init; } = 64L * 1024 * 1024;

    /// <summary>The same for the whole node. Own choice.</summary>
    public long NodeMemory { get; init; } = 256L * 1024 * 1024;

    /// <summary>yamux pings that wait for their answer to be sent. Own choice.</summary>
    public int QueuedPings { get; init; } = 32;

    /// <summary>yamux pings per second on one connection. Own choice.</summary>
    public int PingsPerSecond { get; init; } = 100;

    /// <summary>A connection whose ping is not answered for this long is dead. go-yamux (30 s).</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Time between own pings of a connection; they measure it and keep it alive. Own choice (js 30 s): figures that people look at should be fresh.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A ping answered later than this counts as lost. Own choice.</summary>
    public TimeSpan PingTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Time that a connection has to send what is queued when it closes. Own choice.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Time for an identify exchange. go-libp2p (5 s).</summary>
    public TimeSpan IdentifyTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Protocol names remembered of one peer. Own choice (go 1024).</summary>
    public int ProtocolsPerPeer { get; init; } = 256;

    /// <summary>Identify pushes accepted from one connection per minute. Own choice.</summary>
    public int PushesPerMinute { get; init; } = 30;

    /// <summary>Identify pushes being sent at once. Notes of go-libp2p (32).</summary>
    public int ParallelPushes { get; init; } = 32;

    /// <summary>How many inbound streams of <paramref name="protocol"/> one connection may have.</summary>
    public int GetStreamLimit(string protocol)
    {
        foreach ((string prefix, int limit) in StreamsByProtocol)
        {
            if (protocol.StartsWith(prefix, StringComparison.Ordinal))
            {
                return limit;
            }
        }

        return StreamsPerProtocol;
    }

    /// <summary>Whether streams of <paramref name="protocol"/> may be silent for longer than <see cref="StreamIdleTimeout"/>.</summary>
    public bool MayIdle(string protocol) => StartsWithAny(protocol, IdleProtocols);

    /// <summary>Whether <paramref name="protocol"/> runs over a relay's limited circuits.</summary>
    public bool RunsOnLimited(string protocol) => StartsWithAny(protocol, LimitedProtocols);

    private static bool StartsWithAny(string protocol, IReadOnlyList<string> prefixes)
    {
        foreach (string prefix in prefixes)
        {
            if (protocol.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
