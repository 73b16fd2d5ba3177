using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p;

/// <summary>One negotiated, bidirectional, flow-controlled stream to an authenticated peer.</summary>
/// <remarks>One reader and one writer at a time. Disposing an unfinished stream resets it.</remarks>
public interface IPeerStream : IByteStream, IAsyncDisposable
{
    /// <summary>The peer that the connection's security handshake proved.</summary>
    PeerId RemotePeer { get; }

    /// <summary>The protocol id that multistream-select agreed on.</summary>
    string Protocol { get; }

    /// <summary>Half-close: no more bytes will be written; reading goes on.</summary>
    ValueTask CloseWriteAsync(CancellationToken cancellationToken);

    /// <summary>Ends both directions at once; idempotent.</summary>
    void Reset();
}
