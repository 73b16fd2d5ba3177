using System.Buffers;
using Cocoon.Protocol.Buffers;
using Google.Protobuf;

namespace Cocoon.Protocol.Libp2p;

/// <summary>Messages behind a uvarint length, as identify, kad, gossipsub and relay use them.</summary>
/// <remarks>Reads never take a byte that follows the message: it may belong to the next owner of the stream.</remarks>
public static class LengthPrefixed
{
    private const int FirstAllocation = 4096;

    /// <summary>Reads one message; <c>null</c> when the stream ended before its first byte.</summary>
    /// <exception cref="Libp2pException">The length is malformed or above <paramref name="maxLength"/>, or the stream ended inside the message.</exception>
    public static ValueTask<byte[]?> ReadAsync(IByteStream stream, int maxLength, CancellationToken cancellationToken) =>
        ReadAsync(stream, maxLength, began: null, cancellationToken);

    /// <param name="began">Called when the first byte is there: from then on the rest is late.</param>
    /// <inheritdoc cref="ReadAsync(IByteStream, int, CancellationToken)"/>
    internal static async ValueTask<byte[]?> ReadAsync(IByteStream stream, int maxLength, Action? began, CancellationToken cancellationToken)
    {
        byte[] scratch = ArrayPool<byte>.Shared.Rent(Varint.MaxLength);
        int length;
        try
        {
            length = await ReadLengthAsync(stream, scratch, maxLength, began, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }

        if (length < 0)
        {
            return null;
        }

        // Grown by what arrived, never by what was announced: a length costs the sender nothing.
        byte[] message = new byte[Math.Min(length, FirstAllocation)];
        for (int at = 0; at < length;)
        {
            if (at == message.Length)
            {
                Array.Resize(ref message, (int)Math.Min(length, 2L * message.Length));
            }

            int read = await stream.ReadAsync(message.AsMemory(at), cancellationToken);
            if (read == 0)
            {
                throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The stream ended inside a message.");
            }

            at += read;
        }

        return message;
    }

    /// <summary>Reads and parses one protobuf message; <c>null</c> when the stream ended before its first byte.</summary>
    /// <exception cref="Libp2pException">As <see cref="ReadAsync(IByteStream, int, CancellationToken)"/>, or the bytes are no such message.</exception>
    public static async ValueTask<T?> ReadAsync<T>(IByteStream stream, MessageParser<T> parser, int maxLength, CancellationToken cancellationToken)
        where T : class, IMessage<T>, new()
    {
        byte[]? bytes = await ReadAsync(stream, maxLength, cancellationToken);
        return bytes is null ? null : Parse(parser, bytes);
    }

    /// <summary>Parses a protobuf message of a remote.</summary>
    /// <exception cref="Libp2pException">The bytes are no such message.</exception>
    public static T Parse<T>(MessageParser<T> parser, ReadOnlySpan<byte> bytes)
        where T : class, IMessage<T>, new()
    {
        try
        {
            return parser.ParseBounded(bytes);
        }
        catch (Exception exception) when (ProtobufFault.IsMalformed(exception))
        {
            throw new Libp2pException(Libp2pErrorCode.Malformed, "Malformed protobuf message.", exception);
        }
    }

    /// <summary>Writes length and message as one write, so that they leave in one frame.</summary>
    public static async ValueTask WriteAsync(IByteStream stream, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        byte[] frame = ArrayPool<byte>.Shared.Rent(Varint.MaxLength + message.Length);
        try
        {
            int at = Varint.Write(frame, (ulong)message.Length);
            message.Span.CopyTo(frame.AsSpan(at));
            await stream.WriteAsync(frame.AsMemory(0, at + message.Length), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Writes a protobuf message with its length.</summary>
    public static async ValueTask WriteAsync(IByteStream stream, IMessage message, CancellationToken cancellationToken)
    {
        int size = message.CalculateSize();
        byte[] frame = ArrayPool<byte>.Shared.Rent(Varint.MaxLength + size);
        try
        {
            int at = Varint.Write(frame, (ulong)size);
            message.WriteTo(frame.AsSpan(at, size));
            await stream.WriteAsync(frame.AsMemory(0, at + size), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Writes several protobuf messages, each with its length, as one write.</summary>
    public static async ValueTask WriteAsync(IByteStream stream, IReadOnlyList<IMessage> messages, CancellationToken cancellationToken)
    {
        int most = 0;
        foreach (IMessage message in messages)
        {
            most += Varint.MaxLength + message.CalculateSize();
        }

        byte[] frames = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            int at = 0;
            foreach (IMessage message in messages)
            {
                int size = message.CalculateSize();
                at += Varint.Write(frames.AsSpan(at), (ulong)size);
                message.WriteTo(frames.AsSpan(at, size));
                at += size;
            }

            await stream.WriteAsync(frames.AsMemory(0, at), cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frames);
        }
    }

    private static async ValueTask<int> ReadLengthAsync(IByteStream stream, byte[] scratch, int maxLength, Action? began, CancellationToken cancellationToken)
    {
        for (int at = 0; ;)
        {
            if (await stream.ReadAsync(scratch.AsMemory(at, 1), cancellationToken) == 0)
            {
                return at == 0 ? -1 : throw new Libp2pException(Libp2pErrorCode.UnexpectedEnd, "The stream ended inside a length.");
            }

            if (at == 0)
            {
                began?.Invoke();
            }

            switch (Varint.Read(scratch.AsSpan(0, ++at), out ulong length, out _))
            {
                case VarintStatus.Done when length <= (ulong)maxLength:
                    return (int)length;
                case VarintStatus.NeedMore:
                    continue;
                default:
                    throw new Libp2pException(Libp2pErrorCode.BadLength, $"The message's length is malformed or above {maxLength} bytes.");
            }
        }
    }
}
