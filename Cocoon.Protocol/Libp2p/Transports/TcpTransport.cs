using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>TCP over IPv4 and IPv6. Dials leave from the listening port where that is possible, so that observed addresses are dialable.</summary>
internal sealed class TcpTransport : ITransport
{
    private const int Backlog = 256;

    private readonly List<IPEndPoint> _listening = [];

    /// <summary>Opens a listening socket; port 0 takes a free one.</summary>
    /// <exception cref="SocketException">The address is taken or not ours.</exception>
    public Socket Listen(IPEndPoint endPoint)
    {
        if (endPoint.Port != 0)
        {
            // With shared ports a second node on the same one would silently take half of the connections.
            using Socket probe = new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(endPoint);
        }

        Socket socket = CreateSocket(endPoint.AddressFamily);
        try
        {
            Share(socket);
            socket.Bind(endPoint);
            socket.Listen(Backlog);
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }

        lock (_listening)
        {
            _listening.Add((IPEndPoint)socket.LocalEndPoint!);
        }

        return socket;
    }

    /// <summary>Whether the address is of a kind that can be dialled, whoever it belongs to.</summary>
    public bool CanDial(Multiaddr address) =>
        address.TryGetTcpEndPoint(out _) || IsName(address);

    /// <summary>Whether it stands for the addresses that <see cref="ResolveAsync"/> finds.</summary>
    public static bool IsName(Multiaddr address) =>
        address.Components is [{ Protocol: MultiaddrProtocol.Dns or MultiaddrProtocol.Dns4 or MultiaddrProtocol.Dns6 }, { Protocol: MultiaddrProtocol.Tcp }, ..]
        && address.Components.Skip(2).All(component => component.Protocol == MultiaddrProtocol.P2P);

    /// <exception cref="SocketException">Nobody answers.</exception>
    /// <exception cref="Libp2pException">A name, which is to be resolved before.</exception>
    public Task<IRawConnection> DialAsync(DialTarget target, CancellationToken cancellationToken) =>
        target.Address.TryGetTcpEndPoint(out IPEndPoint? endPoint)
            ? ConnectAsync(endPoint, cancellationToken)
            : throw new Libp2pException(Libp2pErrorCode.DialFailed, $"{target.Address} is no address of a socket.");

    /// <summary>The addresses that a name stands for now, in the resolver's order.</summary>
    /// <exception cref="SocketException">The name is unknown, or nobody resolves it.</exception>
    public static async Task<IReadOnlyList<IPEndPoint>> ResolveAsync(Multiaddr name, CancellationToken cancellationToken)
    {
        AddressFamily family = name.Components[0].Protocol switch
        {
            MultiaddrProtocol.Dns4 => AddressFamily.InterNetwork,
            MultiaddrProtocol.Dns6 => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unspecified,
        };
        IPAddress[] found = await Dns.GetHostAddressesAsync(name.Components[0].Value, family, cancellationToken);
        int port = int.Parse(name.Components[1].Value, CultureInfo.InvariantCulture);
        return [.. found.Distinct().Select(ip => new IPEndPoint(ip, port))];
    }

    /// <summary>
    /// Keeps a port for dials of a node that does not listen, so that a NAT maps all of them to one port, which others can see and
    /// hole punching needs.
    /// </summary>
    public Socket ReserveDialPort(IPAddress any)
    {
        Socket socket = CreateSocket(any.AddressFamily);
        try
        {
            Share(socket);
            socket.Bind(new IPEndPoint(any, 0));
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }

        lock (_listening)
        {
            _listening.Add((IPEndPoint)socket.LocalEndPoint!);
        }

        return socket;
    }

    /// <summary>Connects from a port of its own, as a stranger would.</summary>
    /// <exception cref="SocketException">Nobody answers.</exception>
    public static async Task<IRawConnection> DialFreshAsync(IPEndPoint remote, CancellationToken cancellationToken)
    {
        Socket fresh = CreateSocket(remote.AddressFamily);
        try
        {
            await fresh.ConnectAsync(remote, cancellationToken);
            return new SocketConnection(fresh);
        }
        catch (Exception)
        {
            fresh.Dispose();
            throw;
        }
    }

    /// <summary>Connects from the listening port or not at all: the remote's NAT lets only that one through.</summary>
    /// <exception cref="SocketException">Nobody answers, or this pair of ports is taken.</exception>
    public async Task<IRawConnection> PunchAsync(IPEndPoint remote, CancellationToken cancellationToken)
    {
        Socket socket = CreateSocket(remote.AddressFamily);
        try
        {
            if (FindLocal(remote.Address) is { } local)
            {
                Share(socket);
                socket.Bind(local);
            }

            await socket.ConnectAsync(remote, cancellationToken);
            return new SocketConnection(socket);
        }
        catch (Exception)
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<IRawConnection> ConnectAsync(IPEndPoint remote, CancellationToken cancellationToken)
    {
        if (FindLocal(remote.Address) is { } local)
        {
            Socket socket = CreateSocket(remote.AddressFamily);
            try
            {
                Share(socket);
                socket.Bind(local);
                await socket.ConnectAsync(remote, cancellationToken);
                return new SocketConnection(socket);
            }
            catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AddressNotAvailable)
            {
                // This pair of ports is connected already, or was a moment ago: any other port does.
                socket.Dispose();
            }
            catch (Exception)
            {
                socket.Dispose();
                throw;
            }
        }

        return await DialFreshAsync(remote, cancellationToken);
    }

    /// <summary>A listening address from which this remote can be reached.</summary>
    private IPEndPoint? FindLocal(IPAddress remote)
    {
        lock (_listening)
        {
            return _listening.Find(local => local.AddressFamily == remote.AddressFamily
                && (local.Address.Equals(IPAddress.Any) || local.Address.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(local.Address) == IPAddress.IsLoopback(remote)));
        }
    }

    private static Socket CreateSocket(AddressFamily family)
    {
        Socket socket = new(family, SocketType.Stream, ProtocolType.Tcp);
        if (family == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = false;
        }

        return socket;
    }

    /// <summary>Before <c>Bind</c>; on Linux this sets SO_REUSEADDR and SO_REUSEPORT.</summary>
    private static void Share(Socket socket) => socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
}
