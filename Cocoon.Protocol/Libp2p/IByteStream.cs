namespace Cocoon.Protocol.Libp2p;

/// <summary>The bidirectional bytes that negotiation and framed messages need; connections, secure channels and streams offer them.</summary>
/// <remarks>One reader and one writer at a time.</remarks>
public interface IByteStream
{
    /// <summary>Reads at least one byte; 0 at the end.</summary>
    /// <exception cref="IOException">Reset or closed.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Completes when the bytes are accepted for sending.</summary>
    /// <exception cref="IOException">Reset or closed.</exception>
    ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken);
}
