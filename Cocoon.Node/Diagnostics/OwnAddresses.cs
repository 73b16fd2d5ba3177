using System.Net;
using System.Net.NetworkInformation;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Diagnostics;

/// <summary>The addresses of this node with what speaks for each: our own announcement, peers that see us there, peers that came in there.</summary>
internal static class OwnAddresses
{
    /// <summary>Observed addresses listed; strangers invent as many as they like.</summary>
    private const int MaxObserved = 16;

    public static IReadOnlyList<NetDoctorDocument.AddressRow> Describe(PeerNetwork network)
    {
        IReadOnlyList<PeerConnectionInfo> connections = network.Host.Connections;
        HashSet<Multiaddr> reached = [.. connections.Where(c => !c.IsOutbound && !c.IsRelayed && c.LocalAddress is not null).Select(c => c.LocalAddress!)];
        Dictionary<Multiaddr, int> observers = connections
            .Where(c => c.ObservedAddress is not null)
            .GroupBy(c => c.ObservedAddress!)
            .ToDictionary(g => g.Key, g => g.Select(c => c.Peer).Distinct().Count());
        List<NetDoctorDocument.AddressRow> rows =
        [
            .. network.Host.Addresses.Select(a => new NetDoctorDocument.AddressRow(
                a.ToString(), a.IsRelayed ? "relay" : "listening", true, reached.Contains(a), observers.GetValueOrDefault(a))),
        ];

        // Where peers see us counts only at a port we listen on; other ports are those of outbound connections.
        HashSet<int> ports = [.. network.Host.ListenEndPoints.Select(e => e.Port)];
        rows.AddRange(observers
            .Where(o => !network.Host.Addresses.Contains(o.Key) && o.Key.TryGetTcpEndPoint(out IPEndPoint? endPoint) && ports.Contains(endPoint.Port))
            .OrderByDescending(o => o.Value)
            .Take(MaxObserved)
            .Select(o => new NetDoctorDocument.AddressRow(o.Key.ToString(), "observed", false, reached.Contains(o.Key), o.Value)));
        return rows;
    }

    public static IReadOnlyList<NatObservation> Observations(PeerNetwork network)
    {
        List<NatObservation> all = [];
        foreach (PeerConnectionInfo c in network.Host.Connections.Where(c => c is { IsOutbound: true, IsRelayed: false }))
        {
            if (c.RemoteAddress.IpAddress is { } observer
                && c.LocalAddress is { } local && local.TryGetTcpEndPoint(out IPEndPoint? inside)
                && c.ObservedAddress is { } observed && observed.TryGetTcpEndPoint(out IPEndPoint? outside))
            {
                all.Add(new NatObservation(observer, inside, outside));
            }
        }

        return all;
    }

    public static IReadOnlyCollection<IPAddress> OfInterfaces() =>
    [
        .. NetworkInterface.GetAllNetworkInterfaces()
            .Where(n => n.OperationalStatus == OperationalStatus.Up)
            .SelectMany(n => n.GetIPProperties().UnicastAddresses)
            .Select(u => u.Address),
    ];
}
