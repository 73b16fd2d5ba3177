namespace Cocoon.Protocol.Buffers;

/// <summary>Walks the fields of one protobuf message in place, for parsers that must keep the received bytes or bound counts before allocating.</summary>
/// <remarks>Every <c>TryRead</c> returns <c>false</c> for malformed input; nothing here throws or allocates. Groups are refused.</remarks>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    public const int Varint = 0;
    public const int Fixed64 = 1;
    public const int Bytes = 2;
    public const int Fixed32 = 5;

    private readonly ReadOnlySpan<byte> _message = message;

    /// <summary>Offset of the next unread byte.</summary>
    public int Position { get; private set; }

    public readonly bool IsAtEnd => Position == _message.Length;

    public bool TryReadTag(out int field, out int wireType)
    {
        field = 0;
        wireType = 0;
        if (!TryReadVarint(out ulong tag) || tag > uint.MaxValue)
        {
            return false;
        }

        field = (int)(tag >> 3);
        wireType = (int)(tag & 7);
        return field != 0;
    }

    public bool TryReadVarint(out ulong value)
    {
        value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (Position >= _message.Length)
            {
                return false;
            }

            byte next = _message[Position++];
            if (shift == 63 && next > 1)
            {
                return false;
            }

            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A length-delimited field as an offset and length within the message.</summary>
    public bool TryReadRange(out int offset, out int length)
    {
        offset = 0;
        length = 0;
        if (!TryReadVarint(out ulong size) || size > (ulong)(_message.Length - Position))
        {
            return false;
        }

        offset = Position;
        length = (int)size;
        Position += length;
        return true;
    }

    public bool TryReadBytes(out ReadOnlySpan<byte> bytes)
    {
        if (!TryReadRange(out int offset, out int length))
        {
            bytes = default;
            return false;
        }

        bytes = _message.Slice(offset, length);
        return true;
    }

    public bool TrySkip(int wireType)
    {
        switch (wireType)
        {
            case Varint:
                return TryReadVarint(out _);
            case Bytes:
                return TryReadRange(out _, out _);
            case Fixed64 or Fixed32:
                int size = wireType == Fixed64 ? 8 : 4;
                if (_message.Length - Position < size)
                {
                    return false;
                }

                Position += size;
                return true;
            default:
                return false;
        }
    }
}
