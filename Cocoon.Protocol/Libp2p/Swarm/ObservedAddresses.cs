using System.Net;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>How the addresses that others see us at follow from ours (RFC 4787, section 4.1).</summary>
public enum NatKind
{
    /// <summary>Fewer than two observers from different networks, or they contradict each other in a way that no NAT does.</summary>
    Unknown,

    /// <summary>Others see the address that we have.</summary>
    None,

    /// <summary>One public port for all remotes: holes can be punched.</summary>
    EndpointIndependent,

    /// <summary>Another public port for each remote: the relay stays.</summary>
    EndpointDependent,
}

/// <summary>An address that remotes said they see us at.</summary>
/// <param name="Observers">IP addresses that said so.</param>
public sealed record ObservedAddress(Multiaddr Address, int Observers);

/// <summary>What the remotes of open connections see us at. Hints: each of them may lie.</summary>
internal sealed class ObservedAddresses(PeerSwarm swarm)
{
    /// <summary>Only dials from our one port tell what a NAT makes of it; the most observed address first.</summary>
    public IReadOnlyList<ObservedAddress> All => [.. Observations()
        .GroupBy(observation => observation.Address)
        .Select(group => new ObservedAddress(group.Key, group.Select(observation => observation.Observer).Distinct().Count()))
        .OrderByDescending(observed => observed.Observers)];

    public NatKind Kind
    {
        get
        {
            // Observers in our own network see the inner address: what each side sees is judged by itself.
            List<List<Observation>> confirmed = [.. Observations()
                .GroupBy(observation => observation.Address.IpAddress)
                .Select(group => group.ToList())
                .Where(group => group.DistinctBy(observation => observation.Observer).Count() >= 2)];
            if (confirmed.Count == 0)
            {
                return NatKind.Unknown;
            }

            if (confirmed.Exists(group => group.DistinctBy(observation => observation.Address).Count() > 1))
            {
                return NatKind.EndpointDependent;
            }

            return confirmed.TrueForAll(group => group.TrueForAll(observation => observation.Address.Equals(observation.Local)))
                ? NatKind.None
                : NatKind.EndpointIndependent;
        }
    }

    private IEnumerable<Observation> Observations()
    {
        HashSet<int> ports = [.. swarm.DialPorts];
        foreach (PeerConnection connection in swarm.Connections.All)
        {
            if (connection is { IsRelayed: false, IsOutbound: true, ObservedAddress: { } observed }
                && connection.RemoteAddress.IpAddress is { } observer
                && connection.LocalAddress.TryGetTcpEndPoint(out IPEndPoint? local)
                && ports.Contains(local.Port)
                && observed.TryGetTcpEndPoint(out _))
            {
                yield return new Observation(observed, connection.LocalAddress, observer);
            }
        }
    }

    private sealed record Observation(Multiaddr Address, Multiaddr Local, IPAddress Observer);
}
