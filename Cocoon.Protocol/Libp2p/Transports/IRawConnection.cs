using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>An ordered, unprotected byte channel to somebody: a TCP socket, a relayed stream, or memory in tests.</summary>
internal interface IRawConnection : IByteStream, IAsyncDisposable
{
    Multiaddr LocalAddress { get; }

    Multiaddr RemoteAddress { get; }

    /// <summary>Completes when a read would not wait, so that no buffer is held by idle connections.</summary>
    ValueTask WaitReadableAsync(CancellationToken cancellationToken);

    /// <summary>Sends the end of the bytes; reading goes on.</summary>
    ValueTask CloseWriteAsync(CancellationToken cancellationToken);

    /// <summary>Ends it at once; pending reads and writes fail with <see cref="IOException"/>.</summary>
    void Abort();
}
