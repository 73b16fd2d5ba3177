using System.Buffers.Binary;
using Cocoon.Protocol.Buffers;
using Google.Protobuf;

namespace Cocoon.Protocol.Enclaves;

/// <summary>Frames of the pipe between host and enclave.</summary>
/// <remarks><code>
///  4  length of what follows, big endian, 1..16 MiB
///  1  type: the field number in HostFrame or EnclaveFrame
///  n  that field's message
/// </code></remarks>
internal static class PipeFrameCodec
{
    public const int LengthSize = sizeof(uint);
    public const int MaxLength = 16 << 20;

    private const int HeaderSize = LengthSize + 1;

    /// <summary>Room before a payload for the field tag (two bytes at most) and length (five) that turn it into a oneof message.</summary>
    internal const int FieldPrefix = 7;

    /// <param name="frame">A HostFrame or EnclaveFrame with its body set.</param>
    /// <exception cref="PipeException">Larger than a frame may be.</exception>
    public static byte[] Encode(IMessage frame, out ReadOnlyMemory<byte> encoded)
    {
        int size = frame.CalculateSize();
        byte[] buffer = new byte[HeaderSize + size];
        frame.WriteTo(buffer.AsSpan(HeaderSize));
        ReadOnlySpan<byte> body = buffer.AsSpan(HeaderSize);
        uint tag = ReadVarint(ref body);
        uint length = ReadVarint(ref body);
        if (length != body.Length || length >= MaxLength)
        {
            throw new PipeException(PipeErrorCode.FrameSize, "frame too large");
        }

        // Tag and length of the oneof field take two bytes or more, so header and payload always fit into the same buffer.
        int start = buffer.Length - body.Length - HeaderSize;
        BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(start), length + 1);
        buffer[start + LengthSize] = checked((byte)(tag >> 3));
        encoded = buffer.AsMemory(start);
        return buffer;
    }

    /// <param name="buffer">Type and payload are at <paramref name="offset"/>, with <see cref="FieldPrefix"/> bytes of room before them.</param>
    /// <exception cref="PipeException">Unknown type or unreadable payload.</exception>
    public static T Decode<T>(MessageParser<T> parser, byte[] buffer, int offset, int length)
        where T : class, IMessage<T>, IPipeFrame, new()
    {
        int type = buffer[offset];
        int payload = length - 1;
        Span<byte> prefix = stackalloc byte[FieldPrefix];
        int used = WriteVarint(prefix, ((uint)type << 3) | 2);
        used += WriteVarint(prefix[used..], (uint)payload);
        int start = offset + 1 - used;
        prefix[..used].CopyTo(buffer.AsSpan(start));
        T frame;
        try
        {
            frame = parser.ParseBounded(buffer.AsSpan(start, used + payload));
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new PipeException(PipeErrorCode.Malformed, $"frame of type {type}");
        }

        return frame.HasBody ? frame : throw new PipeException(PipeErrorCode.UnknownType, $"frame type {type}");
    }

    private static uint ReadVarint(ref ReadOnlySpan<byte> bytes)
    {
        uint value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = bytes[0];
            bytes = bytes[1..];
            value |= (uint)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }
    }

    private static int WriteVarint(Span<byte> bytes, uint value)
    {
        int i = 0;
        for (; value >= 0x80; value >>= 7)
        {
            bytes[i++] = (byte)(value | 0x80);
        }

        bytes[i++] = (byte)value;
        return i;
    }
}
