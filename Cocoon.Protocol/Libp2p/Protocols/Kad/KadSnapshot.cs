using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>The DHT node's state at one moment, for inspection.</summary>
/// <param name="ProviderKeys">Keys with provider records stored for others.</param>
/// <param name="Records">Values stored.</param>
/// <param name="Provided">Keys that this node provides itself.</param>
public sealed record KadSnapshot(
    string Protocol, KadMode Mode, int Peers, IReadOnlyList<KadBucketSnapshot> Buckets, int ProviderKeys, int Records, int Provided);

/// <param name="CommonPrefixLength">Bits that the ids of the bucket share with ours.</param>
public sealed record KadBucketSnapshot(int CommonPrefixLength, IReadOnlyList<KadEntrySnapshot> Peers);

public sealed record KadEntrySnapshot(PeerId Peer, DateTimeOffset AddedAt, DateTimeOffset LastAnswer);
