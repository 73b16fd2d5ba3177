using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.PortMapping;

/// <summary>The router between this machine and the rest.</summary>
/// <param name="Local">Our address on its network.</param>
/// <param name="Control">Where it takes PCP and NAT-PMP.</param>
/// <param name="Search">Where UPnP devices are searched.</param>
public sealed record Gateway(IPAddress Local, IPEndPoint Control, IPEndPoint Search)
{
    /// <summary>The IPv4 default gateway of an interface with a private address, or <c>null</c>: nothing to map then.</summary>
    public static Gateway? Find()
    {
        foreach (NetworkInterface network in NetworkInterface.GetAllNetworkInterfaces()
            .Where(n => n.OperationalStatus == OperationalStatus.Up && n.NetworkInterfaceType is not (NetworkInterfaceType.Loopback or NetworkInterfaceType.Tunnel)))
        {
            IPInterfaceProperties properties = network.GetIPProperties();
            IPAddress? router = properties.GatewayAddresses.Select(g => g.Address)
                .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && IpScopes.Of(a) == IpScope.Private);
            IPAddress? local = properties.UnicastAddresses.Select(u => u.Address)
                .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && IpScopes.Of(a) == IpScope.Private);
            if (router is not null && local is not null)
            {
                return new Gateway(local, new IPEndPoint(router, NatPmpMessage.Port), SsdpSearch.Group);
            }
        }

        return null;
    }
}
