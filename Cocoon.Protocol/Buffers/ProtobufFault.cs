using Google.Protobuf;

namespace Cocoon.Protocol.Buffers;

/// <summary>What the protobuf runtime throws at bytes that are no message of the wanted type.</summary>
public static class ProtobufFault
{
    /// <remarks>A nested length that overflows makes its reader run past the buffer, instead of the exception that is documented.</remarks>
    public static bool IsMalformed(Exception exception) =>
        exception is InvalidProtocolBufferException or ProtobufLengthException or IndexOutOfRangeException or ArgumentOutOfRangeException;
}
