using System.Buffers.Binary;
using Google.Protobuf;

namespace Cocoon.Protocol.Enclaves;

/// <summary>Reads frames from the other end of the pipe.</summary>
/// <remarks>One reader at a time. Does not own the stream.</remarks>
internal sealed class PipeFrameReader<T>(Stream stream, MessageParser<T> parser)
    where T : class, IMessage<T>
{
    private readonly byte[] _length = new byte[PipeFrameCodec.LengthSize];
    private byte[] _buffer = new byte[4096];

    /// <summary>The next frame; <c>null</c> when the pipe ended between frames.</summary>
    /// <exception cref="PipeException">The other end broke the protocol.</exception>
    public async ValueTask<T?> ReadAsync(CancellationToken cancellationToken)
    {
        int read = await stream.ReadAtLeastAsync(_length, _length.Length, throwOnEndOfStream: false, cancellationToken);
        if (read == 0)
        {
            return null;
        }

        uint length = read < _length.Length
            ? throw new PipeException(PipeErrorCode.Truncated, "pipe ended inside a frame")
            : BinaryPrimitives.ReadUInt32BigEndian(_length);
        if (length is 0 or > PipeFrameCodec.MaxLength)
        {
            throw new PipeException(PipeErrorCode.FrameSize, $"frame of {length} bytes");
        }

        await FillAsync((int)length, cancellationToken);
        return PipeFrameCodec.Decode(parser, _buffer, PipeFrameCodec.FieldPrefix, (int)length);
    }

    /// <summary>Grown by what arrived, never by what was announced: a length costs the other end nothing.</summary>
    private async ValueTask FillAsync(int length, CancellationToken cancellationToken)
    {
        for (int at = 0; at < length;)
        {
            int room = Math.Min(length, _buffer.Length - PipeFrameCodec.FieldPrefix) - at;
            if (room == 0)
            {
                Array.Resize(ref _buffer, Math.Min(PipeFrameCodec.FieldPrefix + length, 2 * _buffer.Length));
                continue;
            }

            int read = await stream.ReadAsync(_buffer.AsMemory(PipeFrameCodec.FieldPrefix + at, room), cancellationToken);
            if (read == 0)
            {
                throw new PipeException(PipeErrorCode.Truncated, "pipe ended inside a frame");
            }

            at += read;
        }
    }
}
