using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>How reservations are kept; own choices where no other origin is named.</summary>
public sealed record RelayClientOptions
{
    /// <summary>Relays to hold a reservation with at all times, with <c>/p2p/…</c>.</summary>
    public IReadOnlyList<Multiaddr> Relays { get; init; } = [];

    /// <summary>Further relays that are known of, with <c>/p2p/…</c>, asked when too few connected peers offer it.</summary>
    public Func<IEnumerable<Multiaddr>> Candidates { get; init; } = static () => [];

    /// <summary>Relays in use while others cannot dial us. go-libp2p.</summary>
    public int Wanted { get; init; } = 2;

    /// <summary>Addresses of one relay that are announced: a hostile one could name somebody else's.</summary>
    public int AddressesPerRelay { get; init; } = 8;

    /// <summary>A reservation is not believed to live longer.</summary>
    public TimeSpan MaxReservationTime { get; init; } = TimeSpan.FromHours(24);

    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often reservations and candidates are looked at.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>After a refusal; doubled each time up to <see cref="MaxRetryPause"/>.</summary>
    public TimeSpan RetryPause { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan MaxRetryPause { get; init; } = TimeSpan.FromMinutes(10);

    public int RememberedRefusals { get; init; } = 1024;
}
