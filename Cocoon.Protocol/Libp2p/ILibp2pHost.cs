using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p;

/// <summary>
/// What protocols need of a libp2p node: authenticated streams by peer id, addresses, and who comes and goes.
/// This is the seam where Nethermind.Libp2p would slot in; tests and the simulator implement it in memory.
/// </summary>
public interface ILibp2pHost
{
    PeerId LocalPeer { get; }

    /// <summary>Own dialable addresses as announced by identify, without the <c>/p2p</c> suffix.</summary>
    IReadOnlyList<Multiaddr> Addresses { get; }

    /// <summary>Serves <paramref name="protocol"/> for inbound streams and announces it by identify.</summary>
    /// <remarks>The handler owns the stream until its task ends; the host then closes it. Its exceptions reset the stream.</remarks>
    void Handle(string protocol, Func<IPeerStream, CancellationToken, Task> handler);

    /// <summary>Stops serving <paramref name="protocol"/>; open streams go on.</summary>
    void Unhandle(string protocol);

    /// <summary>Remembers addresses of a peer as hints for dialling; they prove nothing. Bounded per peer.</summary>
    void AddAddresses(PeerId peer, IEnumerable<Multiaddr> addresses, TimeSpan timeToLive);

    /// <summary>Addresses known for a peer, best first; empty when unknown.</summary>
    IReadOnlyList<Multiaddr> GetAddresses(PeerId peer);

    /// <summary>Returns when there is a connection to exactly this peer, dialling known addresses if needed.</summary>
    /// <exception cref="IOException">No address, or none answered as this peer.</exception>
    ValueTask ConnectAsync(PeerId peer, CancellationToken cancellationToken);

    /// <summary>Opens a stream with the first of <paramref name="protocols"/> that the peer speaks, connecting if needed.</summary>
    /// <exception cref="IOException">Not connected, or no protocol in common.</exception>
    ValueTask<IPeerStream> OpenStreamAsync(PeerId peer, IReadOnlyList<string> protocols, CancellationToken cancellationToken);

    /// <summary>Closes every connection to the peer.</summary>
    ValueTask DisconnectAsync(PeerId peer);

    /// <summary>Keeps connections to the peer when there are too many, until the same reason is withdrawn. Cheap, and callable from under locks.</summary>
    void Protect(PeerId peer, string reason);

    void Unprotect(PeerId peer, string reason);

    /// <summary>Peers with at least one connection now.</summary>
    IReadOnlyList<PeerConnectionInfo> Connections { get; }

    /// <summary>Raised on the host's loop; handlers return quickly and do not block.</summary>
    event Action<PeerEvent>? PeerChanged;
}

/// <summary>A connection as inspection shows it.</summary>
/// <param name="Protocols">What identify told so far; empty before.</param>
/// <param name="RoundTrip">Smoothed, or <c>null</c> before the first measurement.</param>
public sealed record PeerConnectionInfo(
    PeerId Peer,
    Multiaddr RemoteAddress,
    bool IsOutbound,
    bool IsRelayed,
    DateTimeOffset OpenedAt,
    string AgentVersion,
    IReadOnlyList<string> Protocols,
    TimeSpan? RoundTrip,
    int Streams,
    long BytesIn,
    long BytesOut)
{
    /// <summary>Share of the last pings that were answered late or not at all, 0 to 1; <c>null</c> before the first.</summary>
    public double? Loss { get; init; }

    /// <summary>Our end of the connection.</summary>
    public Multiaddr? LocalAddress { get; init; }

    /// <summary>Where the peer says it sees us; a hint.</summary>
    public Multiaddr? ObservedAddress { get; init; }

    /// <summary>As identify tells it; empty before.</summary>
    public string ProtocolVersion { get; init; } = "";
}

/// <summary>Something that happened to a peer; a closed set.</summary>
public abstract record PeerEvent(PeerId Peer)
{
    /// <summary>The first connection to the peer is up.</summary>
    public sealed record Connected(PeerId Peer, bool IsOutbound) : PeerEvent(Peer);

    /// <summary>The last connection to the peer is gone.</summary>
    public sealed record Disconnected(PeerId Peer) : PeerEvent(Peer);

    /// <summary>Identify (or a push) told the peer's protocols; repeated when they change.</summary>
    public sealed record Identified(PeerId Peer, IReadOnlyList<string> Protocols) : PeerEvent(Peer);
}
