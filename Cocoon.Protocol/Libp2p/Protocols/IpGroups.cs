using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols;

/// <summary>Groups addresses that one owner can easily have many of.</summary>
internal static class IpGroups
{
    /// <summary>IPv4 /16 or IPv6 /32, for diversity; <c>null</c> when the address has no public IP.</summary>
    public static string? Wide(Multiaddr address) => Prefix(address, 2, 4);

    /// <summary>IPv4 /24 or IPv6 /48, for rates; <c>null</c> when the address has no public IP.</summary>
    public static string? Narrow(Multiaddr address) => Prefix(address, 3, 6);

    /// <summary>The network that a connected peer speaks from, as <see cref="Narrow"/> names it; <c>null</c> where that is no public one, or there is no connection.</summary>
    public static string? NetworkOf(ILibp2pHost host, PeerId peer) =>
        host.Connections.FirstOrDefault(connection => connection.Peer == peer) is { } connection ? Narrow(connection.RemoteAddress) : null;

    private static string? Prefix(Multiaddr address, int bytes4, int bytes6)
    {
        if (address.IpAddress is not { } ip || IpScopes.Of(ip) is IpScope.Loopback or IpScope.Private)
        {
            return null;
        }

        byte[] bytes = (ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip).GetAddressBytes();
        return Convert.ToHexString(bytes, 0, bytes.Length == 4 ? bytes4 : bytes6);
    }

    /// <summary>Whether others can be told the address.</summary>
    public static bool IsShareable(Multiaddr address, bool allowLocal) => address.IpAddress is not { } ip || IpScopes.Of(ip) switch
    {
        IpScope.Public => true,
        IpScope.Loopback or IpScope.Private => allowLocal,
        _ => false,
    };
}
