using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>A reservation that a peer holds with us.</summary>
public sealed record GrantedReservation(PeerId Peer, Multiaddr Address, DateTimeOffset Expires);

/// <summary>A circuit through us; bytes as they were passed on.</summary>
public sealed record CircuitInfo(PeerId Source, PeerId Destination, DateTimeOffset OpenedAt, CircuitLimit Limit, long BytesThere, long BytesBack);

/// <summary>A reservation that we hold with a relay, and the addresses that lead to us by it.</summary>
public sealed record HeldReservation(PeerId Relay, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset Expires, CircuitLimit? Limit, bool HasVoucher);

/// <summary>What our relay service has done so far, refusals by their status.</summary>
public sealed record RelayCounters(long Granted, long Opened, long BytesRelayed, IReadOnlyDictionary<string, long> Refused);

/// <summary>Our relay service as it is now.</summary>
public sealed record RelayServiceReport(
    RelayLimits Limits, IReadOnlyList<GrantedReservation> Reservations, IReadOnlyList<CircuitInfo> Circuits, RelayCounters Counters);
