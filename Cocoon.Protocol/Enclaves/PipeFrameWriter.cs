using System.Buffers;
using Google.Protobuf;

namespace Cocoon.Protocol.Enclaves;

/// <summary>Writes whole frames in the order of the calls. Frames that come while others are being written leave together.</summary>
/// <remarks>
/// Thread-safe. Does not own the stream. A failed write leaves the pipe unusable, and every later call fails.
/// The caller's thread writes: a few frames into a pipe that the other end drains take microseconds, less than a change of thread.
/// Behind <see cref="MaxWaiting"/> bytes callers wait too, so nothing gathers without end.
/// </remarks>
internal sealed class PipeFrameWriter(Stream stream)
{
    /// <summary>A few of the largest requests.</summary>
    internal const int MaxWaiting = 4 << 20;

    private const int FirstCapacity = 4096;
    private const int MaxKept = 256 << 10;

    private readonly Lock _lock = new();
    private ArrayBufferWriter<byte> _waiting = new(FirstCapacity);
    private ArrayBufferWriter<byte> _writing = new(FirstCapacity);
    private TaskCompletionSource? _room;
    private Exception? _error;
    private bool _isWriting;

    /// <summary>Returns when the frame is written, or will be by whoever is writing.</summary>
    /// <param name="frame">A HostFrame or EnclaveFrame with its body set.</param>
    /// <exception cref="IOException">The other end is gone.</exception>
    public ValueTask WriteAsync(IMessage frame, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PipeFrameCodec.Encode(frame, out ReadOnlyMemory<byte> encoded);
        lock (_lock)
        {
            ThrowIfFailed();
            if (_isWriting && _waiting.WrittenCount >= MaxWaiting)
            {
                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return WriteLaterAsync(_room.Task, frame, cancellationToken);
            }

            _waiting.Write(encoded.Span);
            if (_isWriting)
            {
                return ValueTask.CompletedTask;
            }

            _isWriting = true;
        }

        WriteWaiting();
        return ValueTask.CompletedTask;
    }

    /// <summary>Leaves the frame to the next <see cref="WriteAsync"/>, which the caller makes before it waits for anything.</summary>
    /// <exception cref="IOException">The other end is gone.</exception>
    public void Append(IMessage frame)
    {
        PipeFrameCodec.Encode(frame, out ReadOnlyMemory<byte> encoded);
        lock (_lock)
        {
            ThrowIfFailed();
            _waiting.Write(encoded.Span);
        }
    }

    private async ValueTask WriteLaterAsync(Task room, IMessage frame, CancellationToken cancellationToken)
    {
        await room.WaitAsync(cancellationToken);
        await WriteAsync(frame, cancellationToken);
    }

    private void WriteWaiting()
    {
        while (true)
        {
            lock (_lock)
            {
                if (_waiting.WrittenCount == 0)
                {
                    _isWriting = false;
                    return;
                }

                (_writing, _waiting) = (_waiting, _writing);
                _room?.SetResult();
                _room = null;
            }

            try
            {
                stream.Write(_writing.WrittenSpan);
                stream.Flush();
            }
            catch (Exception exception)
            {
                lock (_lock)
                {
                    _error = exception;
                    _room?.SetResult();
                    _room = null;
                }

                throw;
            }

            // What one large request needed is not kept for the life of the pipe.
            if (_writing.Capacity > MaxKept)
            {
                _writing = new ArrayBufferWriter<byte>(FirstCapacity);
            }
            else
            {
                _writing.ResetWrittenCount();
            }
        }
    }

    private void ThrowIfFailed()
    {
        if (_error is not null)
        {
            throw new IOException("The pipe is broken.", _error);
        }
    }
}
