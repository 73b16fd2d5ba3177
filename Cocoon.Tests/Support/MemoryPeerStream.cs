using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Support;

/// <summary>One end of an in-memory stream.</summary>
internal sealed class MemoryPeerStream(PeerId remotePeer, string protocol, MemoryPipe incoming, MemoryPipe outgoing) : IPeerStream
{
    private bool _writeClosed;
    private bool _sawEnd;

    public PeerId RemotePeer => remotePeer;

    public string Protocol => protocol;

    /// <summary>A connected pair, for tests of one protocol handler without a network.</summary>
    public static (MemoryPeerStream Dialer, MemoryPeerStream Listener) CreatePair(
        PeerId dialer, PeerId listener, string protocol, TimeProvider? time = null, TimeSpan latency = default)
    {
        MemoryPipe there = new(time ?? TimeProvider.System, latency), back = new(time ?? TimeProvider.System, latency);
        return (new MemoryPeerStream(listener, protocol, back, there), new MemoryPeerStream(dialer, protocol, there, back));
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int read = await incoming.ReadAsync(buffer, cancellationToken);
        _sawEnd |= read == 0 && !buffer.IsEmpty;
        return read;
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        _writeClosed
            ? throw new Libp2pException(Libp2pErrorCode.StreamReset, "The write side is closed.")
            : outgoing.WriteAsync(buffer, cancellationToken);

    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        if (!_writeClosed)
        {
            _writeClosed = true;
            outgoing.Complete();
        }

        return ValueTask.CompletedTask;
    }

    public void Reset()
    {
        incoming.Break();
        outgoing.Break();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_sawEnd || !_writeClosed)
        {
            // As the real streams: closing the write side first lets the remote read what was sent.
            await CloseWriteAsync(CancellationToken.None);
            if (!_sawEnd)
            {
                incoming.Break();
            }
        }
    }
}
