using Google.Protobuf;

namespace Cocoon.Protocol.Enclaves;

/// <summary>Writes whole frames, one at a time.</summary>
/// <remarks>Thread-safe. Does not own the stream. A failed or cancelled write leaves the pipe unusable.</remarks>
internal sealed class PipeFrameWriter(Stream stream) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <param name="frame">A HostFrame or EnclaveFrame with its body set.</param>
    /// <exception cref="IOException">The other end is gone.</exception>
    public async ValueTask WriteAsync(IMessage frame, CancellationToken cancellationToken)
    {
        PipeFrameCodec.Encode(frame, out ReadOnlyMemory<byte> encoded);
        await _turn.WaitAsync(cancellationToken);
        try
        {
            // A frame that began is always finished: half of one would make everything after it unreadable.
            await stream.WriteAsync(encoded, CancellationToken.None);
            await stream.FlushAsync(CancellationToken.None);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();
}
