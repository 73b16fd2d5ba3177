namespace Cocoon.Node.Control;

internal sealed record PeersDocument(int Schema, IReadOnlyList<PeersDocument.Row> Peers)
{
    /// <param name="Path"><c>direct tcp</c> or <c>relay</c>.</param>
    /// <param name="Via">The relay's peer id.</param>
    /// <param name="Loss">Share of the last pings that were answered late or not at all, 0 to 1.</param>
    /// <param name="Attest">What our appraisal of its enclave last said: <c>ok</c>, <c>refused</c>, or nothing yet.</param>
    /// <param name="PricePrompt">nanoTON per 10⁶ tokens of its first offer, as all prices.</param>
    /// <param name="PaidNanoton">Vouched to it over all channels of this node.</param>
    internal sealed record Row(
        string Peer,
        string? Name,
        string Path,
        string? Via,
        string Address,
        string Direction,
        double? RttMs,
        double? Loss,
        string? Agent,
        string? Tier,
        string? Attest,
        double? AttestAgeSeconds,
        IReadOnlyList<string> Models,
        uint? SlotsFree,
        uint? SlotsTotal,
        string? PricePrompt,
        string? PriceCompletion,
        string? PaidNanoton,
        int Streams,
        long BytesIn,
        long BytesOut,
        double? Score,
        double AgeSeconds,
        IReadOnlyList<string> Protocols);
}

/// <summary>Everything this node knows of one peer, by section.</summary>
internal sealed record PeerDocument(
    int Schema,
    string Peer,
    string? Name,
    bool Connected,
    PeerDocument.IdentityState Identity,
    IReadOnlyList<PeerDocument.PathRow> Paths,
    IReadOnlyList<string> Protocols,
    PeerDocument.GossipState? Gossip,
    PeerDocument.DhtState? Dht,
    PeerDocument.AttestationState? Attestation,
    IReadOnlyList<OffersDocument.Row> Offers,
    IReadOnlyList<ChannelsDocument.Row> Channels,
    PeerDocument.HistoryState? History)
{
    internal sealed record IdentityState(string? KeyType, string? PublicKey, string Cid, string? Agent, string? ProtocolVersion);

    /// <summary>A connection, or an address that there is no connection through.</summary>
    /// <param name="State"><c>connected</c>, <c>worked</c> (the peer proved itself there) or <c>announced</c> (nobody checked).</param>
    /// <param name="ObservedAddress">Where the peer says it sees us.</param>
    internal sealed record PathRow(
        string Address,
        string Kind,
        string? Via,
        string State,
        bool Verified,
        string? Direction,
        double? RttMs,
        double? Loss,
        int? Streams,
        long? BytesIn,
        long? BytesOut,
        string? Security,
        string? Muxer,
        string? ObservedAddress,
        double? AgeSeconds);

    internal sealed record GossipState(string? Protocol, double Score, IReadOnlyList<string> Topics, IReadOnlyList<string> Mesh);

    internal sealed record DhtState(int CommonPrefixLength, double AddedAgeSeconds, double LastAnswerAgeSeconds);

    internal sealed record AttestationState(string? Verdict, double? AgeSeconds, string? Tier, string? EvidenceKind, string? EvidenceDigest);

    internal sealed record HistoryState(
        int Answers, int Failures, IReadOnlyDictionary<string, int> FailuresByReason, double Reliability, double? TtftMs, double? TokensPerSecond);
}

internal sealed record PeerNameDocument(int Schema, string Peer, string? Name);

/// <param name="Path"><c>direct tcp</c> or <c>relay</c>.</param>
internal sealed record PingDocument(int Schema, string Peer, string? Name, string Path, string? Via, string Address, double RttMs);
