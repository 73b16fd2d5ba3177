using System.Net;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>The reservations that a relay has granted, bounded in total, per address and per network.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ReservationTable(RelayLimits limits, bool exemptPrivate, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Entry> _entries = [];

    public IReadOnlyList<GrantedReservation> All
    {
        get
        {
            lock (_lock)
            {
                DropExpired();
                return [.. _entries.Select(entry => new GrantedReservation(entry.Key, entry.Value.Address, entry.Value.Expires))];
            }
        }
    }

    /// <summary>Grants or renews; <c>false</c> when a limit is reached.</summary>
    public bool TryAdd(PeerId peer, Multiaddr address, out DateTimeOffset expires)
    {
        expires = time.GetUtcNow() + limits.ReservationTime;
        IPAddress? ip = address.IpAddress is { } own && !(exemptPrivate && IpScopes.Of(own) is IpScope.Loopback or IpScope.Private) ? InboundGate.ToGroup(own) : null;
        string? network = ip is null ? null : IpGroups.Wide(address);
        lock (_lock)
        {
            DropExpired();
            _entries.Remove(peer, out Entry? renewed);
            if (_entries.Count >= limits.Reservations
                || (ip is not null && _entries.Values.Count(entry => ip.Equals(entry.Ip)) >= limits.ReservationsPerIp)
                || (network is not null && _entries.Values.Count(entry => entry.Network == network) >= limits.ReservationsPerNetwork))
            {
                if (renewed is not null)
                {
                    _entries.Add(peer, renewed);
                }

                return false;
            }

            _entries.Add(peer, new Entry(address, ip, network, expires));
            return true;
        }
    }

    public bool Contains(PeerId peer)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(peer, out Entry? entry) && entry.Expires > time.GetUtcNow();
        }
    }

    public void Remove(PeerId peer)
    {
        lock (_lock)
        {
            _entries.Remove(peer);
        }
    }

    private void DropExpired()
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach (PeerId peer in _entries.Where(entry => entry.Value.Expires <= now).Select(entry => entry.Key).ToList())
        {
            _entries.Remove(peer);
        }
    }

    private sealed record Entry(Multiaddr Address, IPAddress? Ip, string? Network, DateTimeOffset Expires);
}
