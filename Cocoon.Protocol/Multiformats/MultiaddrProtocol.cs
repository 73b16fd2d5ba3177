namespace Cocoon.Protocol.Multiformats;

/// <summary>The multiaddr protocols that are understood, with their registered codes.</summary>
public enum MultiaddrProtocol
{
    Ip4 = 4,
    Tcp = 6,
    Ip6 = 41,
    Ip6Zone = 42,
    Dns = 53,
    Dns4 = 54,
    Dns6 = 55,
    DnsAddr = 56,
    Udp = 273,
    P2PCircuit = 290,
    P2P = 421,
}
