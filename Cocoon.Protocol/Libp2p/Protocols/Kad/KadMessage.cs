using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

internal enum KadMessageType
{
    PutValue = 0,
    GetValue = 1,
    AddProvider = 2,
    GetProviders = 3,
    FindNode = 4,

    /// <summary>Answered, never sent: libp2p has a ping protocol of its own.</summary>
    Ping = 5,
}

/// <summary>A request or answer of the DHT.</summary>
internal sealed record KadMessage(KadMessageType Type)
{
    public ReadOnlyMemory<byte> Key { get; init; }

    public KadRecord? Record { get; init; }

    public IReadOnlyList<KadPeer> CloserPeers { get; init; } = [];

    public IReadOnlyList<KadPeer> ProviderPeers { get; init; } = [];
}

/// <summary>A peer as the DHT names it. Its addresses are hints: only a connection proves them.</summary>
public sealed record KadPeer(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);

/// <summary>A stored value.</summary>
/// <param name="TimeReceived">RFC 3339, set by who stored it; empty when absent. Informative only.</param>
internal sealed record KadRecord(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value, string TimeReceived = "");

internal enum KadErrorCode
{
    Malformed,
    UnknownType,
    KeyMissing,
    KeyTooLong,

    /// <summary>A PUT_VALUE without a record, or with one for another key.</summary>
    RecordMismatch,
    ValueTooLong,

    /// <summary>No validator for the key, or it refused the value, or a better value is stored.</summary>
    ValueRefused,

    /// <summary>An ADD_PROVIDER that names somebody else than its sender, or no usable address.</summary>
    ForeignProvider,
    RateExceeded,
}

/// <summary>A violation by the remote; its stream is reset.</summary>
internal sealed class KadException(KadErrorCode code) : Exception($"kad: {code}")
{
    public KadErrorCode Code { get; } = code;
}
