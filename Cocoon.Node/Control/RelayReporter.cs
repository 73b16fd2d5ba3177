using Cocoon.Node.Peers;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Transports;

namespace Cocoon.Node.Control;

/// <summary>Relays from both sides: the reservations that lead to us, and what we do for others.</summary>
internal sealed class RelayReporter(PeerNetwork network, PeerNames names, TimeProvider time)
{
    public RelayDocument Report()
    {
        RelayServiceReport? service = network.Host.RelayService;
        DateTimeOffset now = time.GetUtcNow();
        return new RelayDocument(
            ControlJson.Schema,
            network.Host.Reachability.Verdict.ToString().ToLowerInvariant(),
            service is null ? null : Describe(service),
            network.Host.HolePunching.Upgraded,
            network.Host.HolePunching.GivenUp,
            [.. network.Host.HeldReservations.Select(held => Held(held, now)), .. service is null ? [] : Rows(service, now)]);
    }

    private static RelayDocument.ServiceState Describe(RelayServiceReport service) => new(
        service.Limits.Reservations,
        service.Limits.ReservationsPerIp,
        service.Limits.ReservationsPerNetwork,
        service.Limits.CircuitsPerPeer,
        service.Limits.Circuits,
        service.Limits.CircuitData,
        service.Limits.CircuitTime.TotalSeconds,
        service.Limits.InferenceCircuitData,
        service.Limits.InferenceCircuitTime.TotalSeconds,
        service.Counters.Granted,
        service.Counters.Opened,
        service.Counters.BytesRelayed,
        service.Counters.Refused);

    private RelayDocument.Row Held(HeldReservation held, DateTimeOffset now) => new(
        $"held/{held.Relay}",
        "held",
        held.Relay.ToString(),
        names.Find(held.Relay),
        null,
        string.Join(' ', held.Addresses),
        (held.Expires - now).TotalSeconds,
        held.Limit?.Data,
        held.Limit?.Duration?.TotalSeconds,
        null,
        null);

    private IEnumerable<RelayDocument.Row> Rows(RelayServiceReport service, DateTimeOffset now)
    {
        foreach (GrantedReservation granted in service.Reservations)
        {
            yield return new RelayDocument.Row(
                $"granted/{granted.Peer}", "granted", granted.Peer.ToString(), names.Find(granted.Peer), null, granted.Address.ToString(), (granted.Expires - now).TotalSeconds, null, null, null, null);
        }

        foreach (CircuitInfo circuit in service.Circuits)
        {
            CircuitLimit limit = circuit.Limit;
            yield return new RelayDocument.Row(
                $"circuit/{circuit.Source}/{circuit.Destination}/{circuit.OpenedAt.ToUnixTimeMilliseconds()}",
                "circuit",
                circuit.Source.ToString(),
                names.Find(circuit.Source),
                circuit.Destination.ToString(),
                null,
                (circuit.OpenedAt + limit.Duration - now)?.TotalSeconds,
                limit.Data,
                limit.Duration?.TotalSeconds,
                circuit.BytesThere,
                circuit.BytesBack);
        }
    }
}

/// <param name="Reachability"><c>public</c>, <c>private</c> or <c>unknown</c>, as AutoNAT found.</param>
/// <param name="Service">Our own relay service; <c>null</c> when it is off.</param>
/// <param name="HolesPunched">Relayed connections that became direct.</param>
internal sealed record RelayDocument(
    int Schema, string Reachability, RelayDocument.ServiceState? Service, long HolesPunched, long HolesGivenUp, IReadOnlyList<RelayDocument.Row> Rows)
{
    internal sealed record ServiceState(
        int MaxReservations,
        int MaxReservationsPerIp,
        int MaxReservationsPerNetwork,
        int MaxCircuitsPerPeer,
        int MaxCircuits,
        long CircuitBytes,
        double CircuitSeconds,
        long InferenceCircuitBytes,
        double InferenceCircuitSeconds,
        long Granted,
        long Opened,
        long BytesRelayed,
        IReadOnlyDictionary<string, long> RefusedByStatus);

    /// <param name="Kind"><c>held</c>: our reservation with a relay; <c>granted</c>: a peer's with us; <c>circuit</c>: a connection through us.</param>
    /// <param name="Peer">The relay, the reserver, or who dialled.</param>
    /// <param name="Destination">Whom the circuit leads to.</param>
    /// <param name="Address">Addresses that lead to us, or the reserver's own.</param>
    /// <param name="LimitBytes">In each direction; <c>null</c>: not limited, or not known.</param>
    internal sealed record Row(
        string Id,
        string Kind,
        string Peer,
        string? Name,
        string? Destination,
        string? Address,
        double? ExpiresInSeconds,
        long? LimitBytes,
        double? LimitSeconds,
        long? BytesThere,
        long? BytesBack);
}
