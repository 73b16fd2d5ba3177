using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Mdns;

/// <summary>Finds peers on the local network by multicast DNS and lets them find us (libp2p mDNS specification, RFC 6762).</summary>
public sealed partial class MdnsDiscovery : IAsyncDisposable
{
    /// <summary>Linux: deliver only groups that this very socket joined, else each interface's socket hears all of them.</summary>
    private const int IpProtocol = 0, IpMulticastAll = 49;

    private readonly MdnsOptions _options;
    private readonly PeerId _local;
    private readonly Func<IReadOnlyList<IPEndPoint>> _listening;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Port> _ports = [];
    private Task _loops = Task.CompletedTask;

    /// <param name="listening">Where this node listens; a wildcard stands for the addresses of each interface.</param>
    public MdnsDiscovery(MdnsOptions options, PeerId local, Func<IReadOnlyList<IPEndPoint>> listening, TimeProvider time, ILogger logger)
    {
        _options = options;
        _local = local;
        _listening = listening;
        _time = time;
        _logger = logger;
    }

    /// <summary>Raised for each peer heard, again and again. Handlers return quickly.</summary>
    public event Action<LanPeer>? Found;

    /// <summary>Interfaces that discovery runs on.</summary>
    public IReadOnlyList<string> Interfaces => [.. _ports.Select(p => p.Name)];

    /// <summary>Opens a socket per interface; an interface that refuses is left out. Once.</summary>
    public void Start()
    {
        foreach (NetworkInterface network in Usable())
        {
            if (UnicastOf(network).FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork) is not { } address)
            {
                continue;
            }

            try
            {
                _ports.Add(new Port(network.Name, Open(address), new MdnsResponder(_options, _local, IPAddress.IsLoopback(address), () => AddressesOf(network), _time)));
            }
            catch (SocketException exception)
            {
                Log.InterfaceFailed(_logger, network.Name, exception.Message);
            }
        }

        _loops = Task.WhenAll(_ports.SelectMany(port => (Task[])[Task.Run(() => ListenAsync(port)), Task.Run(() => AskAsync(port))]));
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        await _loops;
        foreach (Port port in _ports)
        {
            await SendAsync(port, port.Responder.Answer(isFarewell: true));
            port.Socket.Dispose();
        }

        _stopping.Dispose();
    }

    private NetworkInterface[] Usable()
    {
        try
        {
            return [.. NetworkInterface.GetAllNetworkInterfaces().Where(IsUsable).Take(_options.MaxInterfaces)];
        }
        catch (NetworkInformationException exception)
        {
            Log.InterfaceFailed(_logger, "-", exception.Message);
            return [];
        }
    }

    /// <summary>None of an interface that has just gone.</summary>
    private static IPAddress[] UnicastOf(NetworkInterface network)
    {
        try
        {
            return [.. network.GetIPProperties().UnicastAddresses.Select(u => u.Address)];
        }
        catch (NetworkInformationException)
        {
            return [];
        }
    }

    private bool IsUsable(NetworkInterface network) =>
        network.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown
        && (network.NetworkInterfaceType == NetworkInterfaceType.Loopback
            ? _options.IncludesLoopback
            : network.SupportsMulticast && network.NetworkInterfaceType != NetworkInterfaceType.Tunnel);

    private Socket Open(IPAddress address)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            // Other responders of this machine hold the port too.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(IPAddress.Any, _options.Group.Port));
            if (OperatingSystem.IsLinux())
            {
                socket.SetRawSocketOption(IpProtocol, IpMulticastAll, BitConverter.GetBytes(0));
            }

            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(_options.Group.Address, address));
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, address.GetAddressBytes());
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastTimeToLive, 255);
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastLoopback, true);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private IReadOnlyList<Multiaddr> AddressesOf(NetworkInterface network)
    {
        IPAddress[] own = [.. UnicastOf(network).Where(a => !a.IsIPv6LinkLocal)];
        return
        [
            .. _listening().SelectMany(e => e.Address.Equals(IPAddress.Any) || e.Address.Equals(IPAddress.IPv6Any)
                    ? own.Where(a => a.AddressFamily == e.AddressFamily).Select(a => new IPEndPoint(a, e.Port))
                    : own.Contains(e.Address) ? [e] : [])
                .Select(Multiaddr.FromEndPoint)
                .Distinct(),
        ];
    }

    private async Task AskAsync(Port port)
    {
        TimeSpan interval = _options.FirstInterval;
        try
        {
            // Who is here already learns of us by this, we of them by their answers.
            await SendAsync(port, port.Responder.Answer());
            while (true)
            {
                await SendAsync(port, port.Responder.Query());
                await Task.Delay(interval, _time, _stopping.Token);
                interval = interval * 2 < _options.MaxInterval ? interval * 2 : _options.MaxInterval;
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task ListenAsync(Port port)
    {
        byte[] buffer = new byte[DnsMessageReader.MaxLength];
        long second = _time.GetTimestamp();
        int seen = 0;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                SocketReceiveFromResult received = await port.Socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stopping.Token);
                if (_time.GetElapsedTime(second) >= TimeSpan.FromSeconds(1))
                {
                    (second, seen) = (_time.GetTimestamp(), 0);
                }

                if (++seen <= _options.MessagesPerSecond && DnsMessageReader.TryRead(buffer.AsSpan(0, received.ReceivedBytes), out DnsMessage? message))
                {
                    await HandleAsync(port, message);
                }
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException exception)
            {
                // A message longer than the buffer, or the interface going down for a moment.
                Log.ReceiveFailed(_logger, port.Name, exception.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), _time, CancellationToken.None);
            }
        }
    }

    private async Task HandleAsync(Port port, DnsMessage message)
    {
        if (port.Responder.TryTakeQuestion(message))
        {
            await SendAsync(port, port.Responder.Answer());
        }

        foreach (LanPeer peer in port.Responder.ReadPeers(message))
        {
            Found?.Invoke(peer);
        }
    }

    private async Task SendAsync(Port port, byte[]? message)
    {
        if (message is null)
        {
            return;
        }

        try
        {
            await port.Socket.SendToAsync(message, SocketFlags.None, _options.Group, CancellationToken.None);
        }
        catch (SocketException exception)
        {
            Log.SendFailed(_logger, port.Name, exception.Message);
        }
    }

    private sealed record Port(string Name, Socket Socket, MdnsResponder Responder);

    private static partial class Log
    {
        [LoggerMessage(3231, LogLevel.Debug, "No peer discovery on interface {Name}: {Reason}")]
        public static partial void InterfaceFailed(ILogger logger, string name, string reason);

        [LoggerMessage(3232, LogLevel.Debug, "Receiving peer discovery on interface {Name} failed: {Reason}")]
        public static partial void ReceiveFailed(ILogger logger, string name, string reason);

        [LoggerMessage(3233, LogLevel.Debug, "Sending peer discovery on interface {Name} failed: {Reason}")]
        public static partial void SendFailed(ILogger logger, string name, string reason);
    }
}
