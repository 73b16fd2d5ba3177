using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Cocoon.Protocol.PortMapping;

namespace Cocoon.Tests.Protocol.PortMapping;

/// <summary>A home router on loopback with real sockets: PCP and NAT-PMP over UDP, SSDP, and a UPnP device over HTTP.</summary>
internal sealed class StubGateway : IAsyncDisposable
{
    public static readonly IPAddress Outer = IPAddress.Parse("8.8.4.4");

    private readonly Socket _control;
    private readonly Socket _ssdp = Udp();
    private readonly TcpListener _http = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loops;

    /// <param name="control">Where PCP and NAT-PMP are served; <c>null</c>: a free port of loopback.</param>
    public StubGateway(IPEndPoint? control = null)
    {
        _control = Udp(control);
        _http.Start();
        _loops = Task.WhenAll(ServeDatagramsAsync(_control, AnswerControl), ServeDatagramsAsync(_ssdp, AnswerSearch), ServeHttpAsync());
    }

    public Gateway Gateway => new(IPAddress.Loopback, (IPEndPoint)_control.LocalEndPoint!, (IPEndPoint)_ssdp.LocalEndPoint!);

    public bool SpeaksPcp { get; set; } = true;

    public bool SpeaksNatPmp { get; set; } = true;

    public bool SpeaksUpnp { get; set; } = true;

    /// <summary>Bends each UDP answer; several answers may leave for one request.</summary>
    public Func<byte[], IEnumerable<byte[]>> Bend { get; set; } = answer => [answer];

    /// <summary>Outer ports that UPnP says are taken.</summary>
    public HashSet<string> Taken { get; } = [];

    public bool OnlyPermanentLeases { get; set; }

    /// <summary>What the description URL answers instead of the device's description.</summary>
    public string? Description { get; set; }

    /// <summary>Inner port → outer port, as the router has it.</summary>
    public ConcurrentDictionary<int, int> Mappings { get; } = new();

    /// <summary>After each answer to PCP or NAT-PMP that changed <see cref="Mappings"/>.</summary>
    public event Action? Changed;

    public ConcurrentQueue<string> Actions { get; } = new();

    public Uri DescriptionUrl => new($"http://127.0.0.1:{((IPEndPoint)_http.LocalEndpoint).Port}/root.xml");

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _http.Stop();
        await _loops;
        _control.Dispose();
        _ssdp.Dispose();
        _stopping.Dispose();
    }

    private IEnumerable<byte[]> AnswerControl(byte[] request)
    {
        byte[]? answer = request switch
        {
            [2, 1, ..] when SpeaksPcp => Pcp(request),
            [2, ..] when SpeaksNatPmp => [0, 129, 0, 1, 0, 0, 0, 0],
            [0, 0] when SpeaksNatPmp => [0, 128, 0, 0, 0, 0, 0, 1, .. Outer.GetAddressBytes()],
            [0, 2, ..] when SpeaksNatPmp => NatPmp(request),
            _ => null,
        };
        return answer is null ? [] : Bend(answer);
    }

    private byte[] Pcp(byte[] request)
    {
        byte[] answer = [.. request];
        answer[1] = 129;
        answer.AsSpan(8, 16).Clear();
        (answer[2], answer[3]) = (0, 0);
        Outer.MapToIPv6().TryWriteBytes(answer.AsSpan(44), out _);
        Keep(BinaryPrimitives.ReadUInt16BigEndian(request.AsSpan(40)), BinaryPrimitives.ReadUInt16BigEndian(request.AsSpan(42)), BinaryPrimitives.ReadUInt32BigEndian(request.AsSpan(4)));
        return answer;
    }

    private byte[] NatPmp(byte[] request)
    {
        Keep(BinaryPrimitives.ReadUInt16BigEndian(request.AsSpan(4)), BinaryPrimitives.ReadUInt16BigEndian(request.AsSpan(6)), BinaryPrimitives.ReadUInt32BigEndian(request.AsSpan(8)));
        return [0, 130, 0, 0, 0, 0, 0, 1, .. request[4..]];
    }

    private void Keep(int inner, int outer, uint seconds)
    {
        if (seconds == 0)
        {
            Mappings.TryRemove(inner, out _);
        }
        else
        {
            Mappings[inner] = outer;
        }

        Changed?.Invoke();
    }

    private IEnumerable<byte[]> AnswerSearch(byte[] request) => SpeaksUpnp && Encoding.ASCII.GetString(request).StartsWith("M-SEARCH", StringComparison.Ordinal)
        ? [Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: {DescriptionUrl}\r\n\r\n")]
        : [];

    private async Task ServeDatagramsAsync(Socket socket, Func<byte[], IEnumerable<byte[]>> answer)
    {
        byte[] buffer = new byte[4096];
        try
        {
            while (true)
            {
                SocketReceiveFromResult received = await socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stopping.Token);
                foreach (byte[] reply in answer(buffer[..received.ReceivedBytes]))
                {
                    await socket.SendToAsync(reply, SocketFlags.None, received.RemoteEndPoint, _stopping.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private async Task ServeHttpAsync()
    {
        try
        {
            while (true)
            {
                using TcpClient client = await _http.AcceptTcpClientAsync(_stopping.Token);
                NetworkStream stream = client.GetStream();
                (string head, string body) = await ReadRequestAsync(stream);
                (string status, string answer) = head.StartsWith("GET", StringComparison.Ordinal) ? ("200 OK", Description ?? Device) : Control(head, body);
                await stream.WriteAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {Encoding.UTF8.GetByteCount(answer)}\r\nConnection: close\r\n\r\n{answer}"), _stopping.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or IOException)
        {
            // Disposed, or the client hung up on too long an answer.
        }
    }

    private async Task<(string Head, string Body)> ReadRequestAsync(NetworkStream stream)
    {
        StringBuilder text = new();
        byte[] buffer = new byte[4096];
        while (true)
        {
            int read = await stream.ReadAsync(buffer, _stopping.Token);
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
            int end = text.ToString().IndexOf("\r\n\r\n", StringComparison.Ordinal);
            string head = end < 0 ? "" : text.ToString()[..end];
            int length = head.Split("\r\n").Where(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)).Select(l => int.Parse(l.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture)).FirstOrDefault();
            if (read == 0 || (end >= 0 && text.Length >= end + 4 + length))
            {
                return (head, end < 0 ? "" : text.ToString()[(end + 4)..]);
            }
        }
    }

    private (string Status, string Body) Control(string head, string body)
    {
        string action = head.Split("\r\n").First(l => l.StartsWith("SOAPAction:", StringComparison.OrdinalIgnoreCase)).Split('#')[1].TrimEnd('"');
        string Field(string name) => body.Contains($"<{name}>", StringComparison.Ordinal) ? body.Split($"<{name}>")[1].Split('<')[0] : "";
        Actions.Enqueue($"{action} {Field("NewExternalPort")} {Field("NewLeaseDuration")}".TrimEnd());
        switch (action)
        {
            case "GetExternalIPAddress":
                return ("200 OK", Envelope($"<u:{action}Response xmlns:u=\"x\"><NewExternalIPAddress>{Outer}</NewExternalIPAddress></u:{action}Response>"));
            case "AddPortMapping" when Taken.Contains(Field("NewExternalPort")):
                return Fault("718", "ConflictInMappingEntry");
            case "AddPortMapping" when OnlyPermanentLeases && Field("NewLeaseDuration") != "0":
                return Fault("725", "OnlyPermanentLeasesSupported");
            case "AddPortMapping":
                Mappings[int.Parse(Field("NewInternalPort"), System.Globalization.CultureInfo.InvariantCulture)] = int.Parse(Field("NewExternalPort"), System.Globalization.CultureInfo.InvariantCulture);
                return ("200 OK", Envelope($"<u:{action}Response xmlns:u=\"x\"/>"));
            case "DeletePortMapping":
                Mappings.Clear();
                return ("200 OK", Envelope($"<u:{action}Response xmlns:u=\"x\"></u:{action}Response>"));
            default:
                return Fault("401", "Invalid Action");
        }
    }

    private static (string Status, string Body) Fault(string code, string words) => (
        "500 Internal Server Error",
        Envelope($"<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode><errorDescription>{words}</errorDescription></UPnPError></detail></s:Fault>"));

    private static string Envelope(string content) => $"<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{content}</s:Body></s:Envelope>";

    private const string Device = """
        <?xml version="1.0"?>
        <root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
        <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/wrong</controlURL></service></serviceList>
        <deviceList><device><deviceList><device><serviceList><service>
        <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
        <controlURL>/ctl/IPConn</controlURL><eventSubURL>/evt/IPConn</eventSubURL></service></serviceList></device></deviceList></device></deviceList>
        </device></root>
        """;

    private static Socket Udp(IPEndPoint? endPoint = null)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(endPoint ?? new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }
}
