using System.Net;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Swarm;

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
                yield return new Observation(observed, observer);
            }
        }
    }

    private sealed record Observation(Multiaddr Address, IPAddress Observer);
}
