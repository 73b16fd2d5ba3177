using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>A TCP connection.</summary>
internal sealed class SocketConnection : IRawConnection
{
    private readonly Socket _socket;

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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await _socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw Closed(exception);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WaitReadableAsync(CancellationToken cancellationToken) => await ReadAsync(Memory<byte>.Empty, cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[await _socket.SendAsync(buffer, SocketFlags.None, cancellationToken)..];
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw Closed(exception);
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

    private static Libp2pException Closed(Exception exception) =>
        new(Libp2pErrorCode.ConnectionClosed, "The TCP connection ended.", exception);
}
