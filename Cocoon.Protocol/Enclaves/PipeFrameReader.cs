using System.Buffers.Binary;
using Google.Protobuf;

namespace Cocoon.Protocol.Enclaves;

/// <summary>Reads frames from the other end of the pipe, as many at a time as are there.</summary>
/// <param name="blocks">
/// Waits for the other end on the caller's thread, which is then the reader's own: a pipe of the system has no other way to wait, and
/// an asynchronous read of one only takes another thread for it.
/// </param>
/// <remarks>One reader at a time. Does not own the stream.</remarks>
internal sealed class PipeFrameReader<T>(Stream stream, MessageParser<T> parser, bool blocks = false)
    where T : class, IMessage<T>, IPipeFrame, new()
{
    /// <summary>What a pipe holds on Linux.</summary>
    private const int FirstCapacity = 64 << 10;

    /// <summary>What was read and not given out is at [_start, _end); before _start is room for <see cref="PipeFrameCodec.FieldPrefix"/>.</summary>
    private byte[] _buffer = new byte[PipeFrameCodec.FieldPrefix + FirstCapacity];
    private int _start = PipeFrameCodec.FieldPrefix;
    private int _end = PipeFrameCodec.FieldPrefix;

    /// <summary>Whether <see cref="ReadAsync"/> has another frame, or an error, without reading from the pipe.</summary>
    public bool HasFrame
    {
        get
        {
            int available = _end - _start;
            return available >= PipeFrameCodec.LengthSize
                && BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start)) is var length
                && (length > PipeFrameCodec.MaxLength || available - PipeFrameCodec.LengthSize >= length);
        }
    }

    /// <summary>The next frame; <c>null</c> when the pipe ended between frames.</summary>
    /// <exception cref="PipeException">The other end broke the protocol.</exception>
    public async ValueTask<T?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryTake(out T? frame))
            {
                return frame;
            }

            MakeRoom();
            cancellationToken.ThrowIfCancellationRequested();
            int read = blocks ? stream.Read(_buffer.AsSpan(_end)) : await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
            {
                return _start == _end ? null : throw new PipeException(PipeErrorCode.Truncated, "pipe ended inside a frame");
            }

            _end += read;
        }
    }

    private bool TryTake(out T? frame)
    {
        frame = null;
        int available = _end - _start;
        if (available < PipeFrameCodec.LengthSize)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
        if (length is 0 or > PipeFrameCodec.MaxLength)
        {
            throw new PipeException(PipeErrorCode.FrameSize, $"frame of {length} bytes");
        }

        if (available - PipeFrameCodec.LengthSize < length)
        {
            return false;
        }

        // What is before the payload has been read: the decoder may write over it.
        frame = PipeFrameCodec.Decode(parser, _buffer, _start + PipeFrameCodec.LengthSize, (int)length);
        _start += PipeFrameCodec.LengthSize + (int)length;
        return true;
    }

    /// <summary>Grown by what arrived, never by what was announced: a length costs the other end nothing.</summary>
    private void MakeRoom()
    {
        int available = _end - _start;
        if (_end == _buffer.Length && _start == PipeFrameCodec.FieldPrefix)
        {
            Array.Resize(ref _buffer, (int)Math.Min(2L * _buffer.Length, PipeFrameCodec.FieldPrefix + PipeFrameCodec.LengthSize + PipeFrameCodec.MaxLength));
        }
        else if (available == 0 || _end == _buffer.Length)
        {
            _buffer.AsSpan(_start, available).CopyTo(_buffer.AsSpan(PipeFrameCodec.FieldPrefix));
            (_start, _end) = (PipeFrameCodec.FieldPrefix, PipeFrameCodec.FieldPrefix + available);
        }
    }
}
