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

        int needed = PipeFrameCodec.FieldPrefix + (int)length;
        if (_buffer.Length < needed)
        {
            _buffer = new byte[Math.Max(needed, _buffer.Length * 2)];
        }

        Memory<byte> body = _buffer.AsMemory(PipeFrameCodec.FieldPrefix, (int)length);
        if (await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken) < body.Length)
        {
            throw new PipeException(PipeErrorCode.Truncated, "pipe ended inside a frame");
        }

        return PipeFrameCodec.Decode(parser, _buffer, PipeFrameCodec.FieldPrefix, (int)length);
    }
}
