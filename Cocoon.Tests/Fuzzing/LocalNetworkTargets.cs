using System.Net;
using System.Text;
using Cocoon.Protocol.Libp2p.Protocols.Mdns;
using Cocoon.Protocol.PortMapping;

namespace Cocoon.Tests.Fuzzing;

/// <summary>What devices on the local network may send: multicast DNS, and answers of gateways.</summary>
internal static class LocalNetworkTargets
{
    private const string Answer =
        "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://192.0.2.1:5000/root.xml\r\n\r\n";

    private const string Description =
        "<root><URLBase>http://192.0.2.1:5000</URLBase><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service></root>";

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of("lan/mdns", 400, bytes => DnsMessageReader.TryRead(bytes, out _),
            DnsMessageWriter.Query("_p2p._udp.local"), DnsMessageWriter.Answer("_p2p._udp.local", "name", ["dnsaddr=/ip4/10.0.0.1/tcp/1"], TimeSpan.FromMinutes(2))),
        FuzzTarget.Of("lan/nat-pmp", 40, bytes =>
            {
                NatPmpMessage.TryReadAddress(bytes, out _);
                NatPmpMessage.TryReadMapping(bytes, 4484, out _);
            },
            [0, 128, 0, 0, 0, 0, 0, 1, 8, 8, 4, 4], [0, 130, 0, 0, 0, 0, 0, 1, 0x11, 0x84, 0x11, 0x84, 0, 0, 14, 16]),
        FuzzTarget.Of("lan/pcp", 80, bytes => PcpMessage.TryReadAnswer(bytes, new byte[PcpMessage.NonceLength], 4484, out _), [2, 129, .. new byte[58]]),
        FuzzTarget.Of("lan/ssdp", 400, bytes => SsdpSearch.TryReadLocation(Encoding.ASCII.GetString(bytes), IPAddress.Parse("192.0.2.1"), out _), Encoding.ASCII.GetBytes(Answer)),
        FuzzTarget.Of("lan/upnp-xml", 400, bytes =>
            {
                UpnpDescription.FindService(bytes, new Uri("http://192.0.2.1:5000/root.xml"));
                UpnpDescription.ReadFields(bytes);
            },
            Encoding.UTF8.GetBytes(Description)),
    ];
}
