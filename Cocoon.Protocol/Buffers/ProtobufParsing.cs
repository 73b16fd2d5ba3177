using Google.Protobuf;

namespace Cocoon.Protocol.Buffers;

/// <summary>Parses protobuf messages of strangers.</summary>
public static class ProtobufParsing
{
    /// <summary>As <c>ParseFrom</c>, with no more memory than the bytes that are there call for.</summary>
    /// <remarks>
    /// The runtime holds the length of a field of the outermost message against nothing: inside of a message that says it is two gigabytes
    /// long every field may say so too, and is given the memory before the end is noticed (seen: 77 bytes took 977 MB). Deeper lengths are
    /// held against those around them, so that the outermost ones are all that is missing.
    /// <para>
    /// The parser only names the message, and what it was told counts for nothing. Its own <c>ParseFrom</c> asks afterwards whether all required fields are there, for which it builds
    /// the reflection of the whole file: thousands of types that stay in memory. No message of ours has required fields.
    /// </para>
    /// </remarks>
    /// <exception cref="Exception">One for which <see cref="ProtobufFault.IsMalformed"/> holds: the bytes are no such message.</exception>
    public static T ParseBounded<T>(this MessageParser<T> parser, ReadOnlySpan<byte> bytes)
        where T : class, IMessage<T>, new()
    {
        ArgumentNullException.ThrowIfNull(parser);
        RequireBounded(bytes);
        T message = new();
        message.MergeFrom(bytes);
        return message;
    }

    /// <summary>As <see cref="ParseBounded"/>, by the parser itself with what it was told to do with unknown fields, and with its reflection.</summary>
    /// <exception cref="Exception">As there.</exception>
    public static T ParseBoundedAsTold<T>(this MessageParser<T> parser, ReadOnlySpan<byte> bytes)
        where T : class, IMessage<T>
    {
        ArgumentNullException.ThrowIfNull(parser);
        RequireBounded(bytes);
        return parser.ParseFrom(bytes);
    }

    private static void RequireBounded(ReadOnlySpan<byte> bytes)
    {
        ProtobufReader reader = new(bytes);
        while (!reader.IsAtEnd)
        {
            if (!reader.TryReadTag(out _, out int wireType) || !reader.TrySkip(wireType))
            {
                throw new ProtobufLengthException();
            }
        }
    }
}

/// <summary>A field of the outermost message is longer than the message.</summary>
internal sealed class ProtobufLengthException() : Exception("A field is longer than its message.");
