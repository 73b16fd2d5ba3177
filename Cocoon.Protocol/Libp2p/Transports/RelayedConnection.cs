using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>A connection that runs inside of a stream to a relay.</summary>
internal sealed class RelayedConnection : IRawConnection
{
    private readonly IPeerStream _stream;

    /// <param name="stream">Negotiated: what follows are the remote's raw bytes. Owned from now on.</param>
    /// <param name="remoteAddress"><c>&lt;address of the relay&gt;/p2p/&lt;relay&gt;/p2p-circuit</c>.</param>
    /// <param name="limit"><c>null</c> when the relay limits nothing.</param>
    public RelayedConnection(IPeerStream stream, Multiaddr localAddress, Multiaddr remoteAddress, CircuitLimit? limit)
    {
        _stream = stream;
        LocalAddress = localAddress;
        RemoteAddress = remoteAddress;
        Limit = limit;
    }

    public Multiaddr LocalAddress { get; }

    public Multiaddr RemoteAddress { get; }

    public CircuitLimit? Limit { get; }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => _stream.ReadAsync(buffer, cancellationToken);

    /// <remarks>Streams cannot tell: an idle relayed connection keeps its small read buffer. There are few of them.</remarks>
    public ValueTask WaitReadableAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => _stream.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken) => _stream.CloseWriteAsync(cancellationToken);

    public void Abort() => _stream.Reset();

    public ValueTask DisposeAsync() => _stream.DisposeAsync();
}
