using System.Collections.Concurrent;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p;

/// <summary>How others reach this node: its addresses, AutoNAT's verdict, relays and hole punching.</summary>
public sealed partial class Libp2pHost
{
    private readonly ObservedAddresses _observed;
    private readonly RelayClient _relays;
    private readonly RelayServer? _relayServer;
    private readonly DcutrService _dcutr;
    private readonly ConcurrentDictionary<string, IReadOnlyList<Multiaddr>> _candidates = new();
    private readonly AutoNatClient? _autoNatClient;

    /// <summary>The announced addresses changed. Raised on any thread; handlers return quickly.</summary>
    public event Action? AddressesChanged;

    /// <summary>AutoNAT has another verdict or other verified addresses. Raised on any thread; handlers return quickly.</summary>
    public event Action<ReachabilityReport>? ReachabilityChanged;

    /// <summary>What AutoNAT found; unknown for ever where it is off.</summary>
    public ReachabilityReport Reachability => _autoNatClient?.Report ?? ReachabilityReport.None;

    /// <summary>Addresses that remotes said they see us at.</summary>
    public IReadOnlyList<ObservedAddress> ObservedAddresses => _observed.All;

    public HolePunchingReport HolePunching => _dcutr.Report;

    /// <summary>Reservations that we hold with relays.</summary>
    public IReadOnlyList<HeldReservation> HeldReservations => _relays.Reservations;

    /// <summary>Whether we relay for others.</summary>
    public bool IsRelay => _relayServer is not null;

    /// <summary>Our own relay service; <c>null</c> where it is off.</summary>
    public RelayServiceReport? RelayService =>
        _relayServer is { } server ? new RelayServiceReport(server.Limits, server.Reservations, server.Circuits, server.Counters) : null;

    /// <summary>Reserves at this relay and keeps the reservation; its address is announced from then on.</summary>
    /// <exception cref="IOException">It does not answer or refuses.</exception>
    public Task<HeldReservation> ReserveAsync(Multiaddr relay, CancellationToken cancellationToken) => _relays.ReserveAsync(relay, cancellationToken);

    /// <summary>Announces further direct addresses, such as those of a port mapping, in the place of what the same source said before.</summary>
    public void SetExternalAddresses(string source, IReadOnlyList<Multiaddr> addresses) => _own.Set(source, addresses);

    /// <summary>Addresses that may lead here, in the place of what the same source said before: announced once AutoNAT found that they do.</summary>
    public void SetCandidateAddresses(string source, IReadOnlyList<Multiaddr> addresses)
    {
        _candidates[source] = addresses;
        _autoNatClient?.Nudge();
    }

    private RelayClient CreateRelayClient(ConnectionContext context)
    {
        bool always = false;
        List<Multiaddr> named = [.. _options.RelayClient.Relays];
        foreach (Multiaddr listen in _options.ListenAddresses.Where(address => address.IsRelayed))
        {
            always |= listen.Components.Count == 1;
            if (listen.Components.Count > 1)
            {
                named.Add(Multiaddr.TryParse(listen.ToString().Split("/p2p-circuit")[0], out Multiaddr? relay) && relay.Peer is not null
                    ? relay
                    : throw new ArgumentException($"Cannot listen on {listen}: it names no relay by /p2p/…."));
            }
        }

        RelayClient client = new(_options.RelayClient with { Relays = named }, _swarm, IsNeeded, context);
        client.Changed += () => _own.Set("relay", [.. client.Reservations.SelectMany(reservation => reservation.Addresses)]);
        return client;

        bool IsNeeded() => always || (_options.RelayWhenPrivate && Reachability.IsPrivate);
    }

    private AutoNatClient CreateAutoNatClient(AutoNatOptions options, ConnectionContext context)
    {
        AutoNatClient client = new(
            options, _swarm, () => [.. _candidates.Values.SelectMany(addresses => addresses), .. Addresses.Where(address => !address.IsRelayed)], context);
        client.Changed += OnVerdict;
        return client;
    }

    private void StartReachability()
    {
        _relays.Start();
        _autoNatClient?.Start();
    }

    private void OnVerdict()
    {
        ReachabilityReport report = Reachability;
        _own.Set("verified", report.Verified);
        // Addresses that the user gave are the user's statement.
        _own.HidePublic(report.IsPrivate && _options.AnnounceAddresses.Count == 0);
        _relays.Nudge();
        ReachabilityChanged?.Invoke(report);
    }

    private void OnAddressesChanged()
    {
        _identify.QueuePush();
        AddressesChanged?.Invoke();
    }

    private void ConsiderForReachability(PeerConnection connection)
    {
        _dcutr.OnIdentified(connection);
        if (connection is { IsRelayed: false, Identity: { } identity })
        {
            if (identity.Protocols.Contains(AutoNatOptions.Protocol))
            {
                _autoNatClient?.Nudge();
            }

            if (identity.Protocols.Contains(CircuitProtocol.HopId))
            {
                _relays.Nudge();
            }
        }
    }

    /// <summary>Where a hole may lead to us: what others see us at, then what we know ourselves.</summary>
    private IEnumerable<Multiaddr> PunchAddresses() => _observed.All
        .Select(observed => observed.Address)
        .Concat(Addresses.Where(address => !address.IsRelayed))
        .Where(_swarm.Dialer.IsAllowed)
        .Distinct();

    private async ValueTask DisposeReachabilityAsync()
    {
        await _dcutr.DisposeAsync();
        if (_autoNatClient is not null)
        {
            await _autoNatClient.DisposeAsync();
        }

        await _relays.DisposeAsync();
    }
}
