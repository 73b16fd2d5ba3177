using System.Buffers.Binary;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>The header of a yamux frame, big endian.</summary>
/// <remarks>
/// <code>
/// | version 1 | type 1 | flags 2 | stream id 4 | length 4 |
/// </code>
/// Length is the body's for Data, the delta for WindowUpdate, the value for Ping, the code for GoAway.
/// </remarks>
internal readonly record struct YamuxHeader(YamuxFrameType Type, YamuxFlags Flags, uint StreamId, uint Length)
{
    public const int Size = 12;

    private const byte Version = 0;

    public void Write(Span<byte> destination)
    {
        destination[0] = Version;
        destination[1] = (byte)Type;
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], (ushort)Flags);
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], StreamId);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], Length);
    }

    /// <param name="source">Exactly <see cref="Size"/> bytes.</param>
    /// <exception cref="Libp2pException">Unknown version or type.</exception>
    public static YamuxHeader Read(ReadOnlySpan<byte> source)
    {
        if (source[0] != Version || source[1] > (byte)YamuxFrameType.GoAway)
        {
            throw new Libp2pException(Libp2pErrorCode.MuxerViolation, "A yamux frame has an unknown version or type.");
        }

        return new YamuxHeader(
            (YamuxFrameType)source[1],
            (YamuxFlags)BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[4..]),
            BinaryPrimitives.ReadUInt32BigEndian(source[8..]));
    }
}
