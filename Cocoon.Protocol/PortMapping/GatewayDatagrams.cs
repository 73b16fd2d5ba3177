using System.Net;
using System.Net.Sockets;

namespace Cocoon.Protocol.PortMapping;

/// <summary>Reads an answer; <c>false</c> when the datagram answers something else, and the wait goes on.</summary>
internal delegate bool TryReadAnswer<T>(ReadOnlySpan<byte> datagram, out T answer);

/// <summary>Sends a request to a gateway over UDP until an answer comes, as RFC 6886 section 3.1 and RFC 6887 section 8.1.1 do.</summary>
internal sealed class GatewayDatagrams(IPEndPoint gateway, PortMappingLimits limits, TimeProvider time)
{
    /// <summary>RFC 6887, section 7: PCP messages have at most 1100 bytes.</summary>
    private const int MaxDatagram = 1100;

    /// <param name="local">Our address on the gateway's network.</param>
    /// <exception cref="PortMappingException">No answer.</exception>
    public async Task<T> AskAsync<T>(IPAddress local, ReadOnlyMemory<byte> request, TryReadAnswer<T> read, CancellationToken cancellationToken)
    {
        using Socket socket = new(gateway.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        byte[] buffer = new byte[MaxDatagram + 1];
        try
        {
            socket.Bind(new IPEndPoint(local, 0));

            // Connected: the system drops datagrams of everybody else.
            await socket.ConnectAsync(gateway, cancellationToken);
            TimeSpan wait = limits.FirstRetry;
            for (int attempt = 0; attempt < limits.Attempts; attempt++, wait *= 2)
            {
                await socket.SendAsync(request, SocketFlags.None, cancellationToken);
                using CancellationTokenSource timeout = new(wait, time);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
                try
                {
                    while (true)
                    {
                        int length = await socket.ReceiveAsync(buffer, SocketFlags.None, either.Token);
                        if (length <= MaxDatagram && read(buffer.AsSpan(0, length), out T answer))
                        {
                            return answer;
                        }
                    }
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    // Lost, or nobody there: once more.
                }
            }
        }
        catch (SocketException exception)
        {
            throw new PortMappingException($"The gateway {gateway} cannot be asked: {exception.Message}", exception);
        }

        throw new PortMappingException($"The gateway {gateway} does not answer.");
    }
}
