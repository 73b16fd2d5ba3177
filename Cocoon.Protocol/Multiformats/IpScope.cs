using System.Net;
using System.Net.Sockets;

namespace Cocoon.Protocol.Multiformats;

/// <summary>From where an IP address can be reached.</summary>
public enum IpScope
{
    Public,
    Private,
    Loopback,

    /// <summary>Unspecified, multicast, documentation and reserved ranges: never dialled.</summary>
    Unusable,
}

/// <summary>Classifies IP addresses (IANA special-purpose registries, RFC 6890).</summary>
public static class IpScopes
{
    public static IpScope Of(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        if (IPAddress.IsLoopback(address))
        {
            return IpScope.Loopback;
        }

        return address.AddressFamily == AddressFamily.InterNetwork ? OfIpv4(address) : OfIpv6(address);
    }

    private static IpScope OfIpv4(IPAddress address)
    {
        Span<byte> b = stackalloc byte[4];
        address.TryWriteBytes(b, out _);
        return (b[0], b[1], b[2]) switch
        {
            (0, _, _) or ( >= 224, _, _) => IpScope.Unusable,
            (10, _, _) or (192, 168, _) or (169, 254, _) => IpScope.Private,
            (172, >= 16 and < 32, _) or (100, >= 64 and < 128, _) => IpScope.Private,
            (192, 0, 0 or 2) or (198, 51, 100) or (203, 0, 113) => IpScope.Unusable,
            (198, 18 or 19, _) => IpScope.Private,
            _ => IpScope.Public,
        };
    }

    private static IpScope OfIpv6(IPAddress address)
    {
        if (address.Equals(IPAddress.IPv6Any) || address.IsIPv6Multicast)
        {
            return IpScope.Unusable;
        }

        if (address.IsIPv6LinkLocal || address.IsIPv6UniqueLocal || address.IsIPv6SiteLocal)
        {
            return IpScope.Private;
        }

        Span<byte> b = stackalloc byte[16];
        address.TryWriteBytes(b, out _);
        return b is [0x20, 0x01, 0x0d, 0xb8, ..] ? IpScope.Unusable : IpScope.Public;
    }
}
