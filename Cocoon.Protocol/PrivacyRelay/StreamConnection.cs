using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>A stream as the raw connection under another handshake.</summary>
/// <remarks>Owns the stream.</remarks>
internal sealed class StreamConnection(IPeerStream stream) : IRawConnection
{
    private bool _mayLinger;

    public Multiaddr LocalAddress => RemoteAddress;

    public Multiaddr RemoteAddress { get; } = Multiaddr.Parse($"/p2p/{stream.RemotePeer}");

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => stream.WriteAsync(buffer, cancellationToken);

    public ValueTask WaitReadableAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken) => stream.CloseWriteAsync(cancellationToken);

    /// <summary>What was written is to arrive: from now on <see cref="Abort"/> leaves the stream to its own end.</summary>
    public void LetLinger() => _mayLinger = true;

    public void Abort()
    {
        if (!_mayLinger)
        {
            stream.Reset();
        }
    }

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
