using System.Net.Sockets;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>In which order and at which pace the addresses of a peer are dialled: "Happy Eyeballs" (RFC 8305), with relays behind.</summary>
internal static class DialSchedule
{
    /// <summary>
    /// The addresses with the time of their attempt since the start. Direct ones keep their order, IPv4 and IPv6 by turns, so that a family
    /// that leads nowhere costs one step and not all of them; relays follow on a clock of their own, for their bytes are somebody else's.
    /// </summary>
    public static IReadOnlyList<(Multiaddr Address, TimeSpan At)> Of(IReadOnlyList<Multiaddr> addresses, Libp2pLimits limits)
    {
        List<(Multiaddr Address, TimeSpan At)> schedule = [];
        TimeSpan at = TimeSpan.Zero;
        foreach (Multiaddr address in Interleave([.. addresses.Where(address => !address.IsRelayed)]))
        {
            schedule.Add((address, at));
            at += IsNear(address) ? limits.NearDialAttemptDelay : limits.DialAttemptDelay;
        }

        at = schedule.Count == 0 ? TimeSpan.Zero : limits.RelayDialDelay;
        foreach (Multiaddr address in addresses.Where(address => address.IsRelayed))
        {
            schedule.Add((address, at));
            at += limits.DialAttemptDelay;
        }

        return [.. schedule.OrderBy(attempt => attempt.At)];
    }

    private static IEnumerable<Multiaddr> Interleave(IReadOnlyList<Multiaddr> addresses)
    {
        AddressFamily? first = addresses.Count > 0 ? FamilyOf(addresses[0]) : null;
        Queue<Multiaddr> same = new(addresses.Where(address => FamilyOf(address) == first)), other = new(addresses.Where(address => FamilyOf(address) != first));
        while (same.Count + other.Count > 0)
        {
            if (same.TryDequeue(out Multiaddr? next))
            {
                yield return next;
            }

            if (other.TryDequeue(out next))
            {
                yield return next;
            }
        }
    }

    /// <summary><c>null</c> for names, which may be either.</summary>
    private static AddressFamily? FamilyOf(Multiaddr address) => address.IpAddress?.AddressFamily;

    private static bool IsNear(Multiaddr address) => address.IpAddress is { } ip && IpScopes.Of(ip) is IpScope.Loopback or IpScope.Private;
}
