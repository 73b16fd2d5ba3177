namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>What a relay gives to others. Defaults name their origin.</summary>
public sealed record RelayLimits
{
    /// <summary>Reservations held at a time. go-libp2p.</summary>
    public int Reservations { get; init; } = 128;

    /// <summary>Of these from one IPv4 address or IPv6 /56; not on loopback and private ones in LAN mode. go-libp2p.</summary>
    public int ReservationsPerIp { get; init; } = 8;

    /// <summary>Of these from one IPv4 /16 or IPv6 /32, in the place of go-libp2p's autonomous systems.</summary>
    public int ReservationsPerNetwork { get; init; } = 32;

    /// <summary>Life of a reservation. go-libp2p.</summary>
    public TimeSpan ReservationTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Reservation requests of one peer in an hour. rust-libp2p.</summary>
    public int RequestsPerPeerAndHour { get; init; } = 30;

    /// <summary>Reservation requests of one IPv4 /24 or IPv6 /48 in an hour. rust-libp2p (60 an address).</summary>
    public int RequestsPerNetworkAndHour { get; init; } = 60;

    /// <summary>Circuits open at a time. Own choice: 8 MiB of buffers at most.</summary>
    public int Circuits { get; init; } = 256;

    /// <summary>Circuits that one peer may have opened, and that may lead to one peer. go-libp2p.</summary>
    public int CircuitsPerPeer { get; init; } = 16;

    /// <summary>The same of one IPv4 address or IPv6 /56; not on loopback and private ones in LAN mode. Own choice: an eighth of all, for circuits may live for an hour.</summary>
    public int CircuitsPerIp { get; init; } = 32;

    /// <summary>Bytes in each direction of one circuit. go-libp2p.</summary>
    public long CircuitData { get; init; } = 128 * 1024;

    /// <summary>Life of one circuit. go-libp2p.</summary>
    public TimeSpan CircuitTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The same to a peer that serves <c>/cocoon/infer</c>: a relay cannot see what runs inside a circuit, but whom it leads to. Own choice.</summary>
    public long InferenceCircuitData { get; init; } = 64L * 1024 * 1024;

    public TimeSpan InferenceCircuitTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Bytes in an hour, both directions together, of all circuits with the larger limits: whoever announces the protocol gets them. Above it
    /// circuits get the ordinary ones. Own choice: 36 Mbit/s on average.
    /// </summary>
    public long InferenceDataPerHour { get; init; } = 16L * 1024 * 1024 * 1024;

    /// <summary>Of these to one IPv4 address or IPv6 /56, or to one peer where addresses are not counted. Own choice: an eighth.</summary>
    public long InferenceDataPerDestinationAndHour { get; init; } = 2L * 1024 * 1024 * 1024;

    /// <summary>Of these from one, so that nobody uses up what a provider has for others. Own choice: an eighth of that, four circuits to their end.</summary>
    public long InferenceDataPerSourceAndHour { get; init; } = 256L * 1024 * 1024;

    /// <summary>Time for a request to arrive, and for the other peer to take a circuit. go-libp2p (1 min) and js-libp2p (30 s).</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
