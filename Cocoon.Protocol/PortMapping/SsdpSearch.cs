using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cocoon.Protocol.PortMapping;

/// <summary>Finds Internet gateway devices by SSDP (UPnP Device Architecture 1.1, section 1.3).</summary>
internal sealed class SsdpSearch(IPEndPoint group, PortMappingLimits limits, TimeProvider time)
{
    public static readonly IPEndPoint Group = new(IPAddress.Parse("239.255.255.250"), 1900);

    private const int MaxDatagram = 2048;

    private static readonly string[] Targets =
    [
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    ];

    /// <summary>Where devices say their descriptions are: each on the very host that answered, so that nobody sends us elsewhere.</summary>
    public async Task<IReadOnlyList<Uri>> FindAsync(IPAddress local, CancellationToken cancellationToken)
    {
        HashSet<Uri> found = [];
        byte[] buffer = new byte[MaxDatagram];
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        using CancellationTokenSource timeout = new(limits.SearchTime, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            socket.Bind(new IPEndPoint(local, 0));
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, local.GetAddressBytes());
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastTimeToLive, 2);
            foreach (string target in Targets)
            {
                await socket.SendToAsync(Search(target), SocketFlags.None, group, either.Token);
            }

            for (int datagrams = 0; datagrams < limits.MaxSearchDatagrams && found.Count < limits.MaxDevices; datagrams++)
            {
                SocketReceiveFromResult received = await socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), either.Token);
                if (TryReadLocation(Encoding.ASCII.GetString(buffer, 0, received.ReceivedBytes), ((IPEndPoint)received.RemoteEndPoint).Address, out Uri? location))
                {
                    found.Add(location!);
                    if (group.Address.Equals(((IPEndPoint)received.RemoteEndPoint).Address))
                    {
                        // Asked one device, not a group.
                        break;
                    }
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The time to answer is over.
        }
        catch (SocketException exception)
        {
            throw new PortMappingException($"Gateways cannot be searched: {exception.Message}", exception);
        }

        return [.. found];
    }

    /// <summary><c>false</c> unless it is an answer of a gateway device whose description is at an http URL on <paramref name="sender"/> itself.</summary>
    internal static bool TryReadLocation(string answer, IPAddress sender, out Uri? location)
    {
        location = null;
        string[] lines = answer.Split("\r\n");
        if (!lines[0].StartsWith("HTTP/1.", StringComparison.Ordinal) || !lines[0].Contains(" 200", StringComparison.Ordinal))
        {
            return false;
        }

        bool isGateway = Array.Exists(lines, l => l.StartsWith("ST:", StringComparison.OrdinalIgnoreCase) && Array.Exists(Targets, t => l.Contains(t, StringComparison.Ordinal)));
        string? line = Array.Find(lines, l => l.StartsWith("LOCATION:", StringComparison.OrdinalIgnoreCase));
        return isGateway
            && line is not null
            && Uri.TryCreate(line["LOCATION:".Length..].Trim(), UriKind.Absolute, out location)
            && IsOn(location, sender);
    }

    /// <summary>A plain http URL whose host is this address.</summary>
    internal static bool IsOn(Uri url, IPAddress host) =>
        url.Scheme == Uri.UriSchemeHttp && url.UserInfo.Length == 0 && IPAddress.TryParse(url.Host.Trim('[', ']'), out IPAddress? named) && named.Equals(host);

    private static byte[] Search(string target) =>
        Encoding.ASCII.GetBytes($"M-SEARCH * HTTP/1.1\r\nHOST: {Group}\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: {target}\r\n\r\n");
}
