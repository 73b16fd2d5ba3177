using System.Net;
using System.Net.Sockets;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>A TCP connection.</summary>
internal sealed class SocketConnection : IRawConnection
{
    private readonly Socket _socket;
    private readonly SocketOperation _receiving = new();
    private readonly SocketOperation _sending = new();

    /// <param name="socket">Connected; owned from now on.</param>
    public SocketConnection(Socket socket)
    {
        _socket = socket;
        // Delayed acknowledgements and Nagle's algorithm together cost 40 ms an exchange.
        socket.NoDelay = true;
        LocalAddress = Multiaddr.FromEndPoint((IPEndPoint)socket.LocalEndPoint!);
        RemoteAddress = Multiaddr.FromEndPoint((IPEndPoint)socket.RemoteEndPoint!);
    }

    public Multiaddr LocalAddress { get; }

    public Multiaddr RemoteAddress { get; }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return _receiving.Await(_socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken));
        }
        catch (ObjectDisposedException exception)
        {
            throw SocketOperation.Closed(exception);
        }
    }

    public ValueTask WaitReadableAsync(CancellationToken cancellationToken)
    {
        try
        {
            return _receiving.AwaitAll(_socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, cancellationToken));
        }
        catch (ObjectDisposedException exception)
        {
            throw SocketOperation.Closed(exception);
        }
    }

    /// <remarks>A stream socket completes a send when all of its bytes are taken.</remarks>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return _sending.AwaitAll(_socket.SendAsync(buffer, SocketFlags.None, cancellationToken));
        }
        catch (ObjectDisposedException exception)
        {
            throw SocketOperation.Closed(exception);
        }
    }

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Closed already: nothing is left to end.
        }

        return ValueTask.CompletedTask;
    }

    public void Abort() => _socket.Dispose();

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
