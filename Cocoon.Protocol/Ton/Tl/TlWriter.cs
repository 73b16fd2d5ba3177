using System.Buffers;
using System.Buffers.Binary;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Tl;

/// <summary>Writes TL.</summary>
internal sealed class TlWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();

    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();

    public TlWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
        return this;
    }

    public TlWriter Int32(int value) => UInt32(unchecked((uint)value));

    public TlWriter UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
        return this;
    }

    public TlWriter Int256(CellHash value)
    {
        value.CopyTo(_buffer.GetSpan(CellHash.Size));
        _buffer.Advance(CellHash.Size);
        return this;
    }

    public TlWriter Bytes(ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, 0xFFFFFF, nameof(value));
        if (value.Length < 254)
        {
            _buffer.Write<byte>([(byte)value.Length]);
        }
        else
        {
            _buffer.Write<byte>([254, (byte)value.Length, (byte)(value.Length >> 8), (byte)(value.Length >> 16)]);
        }

        _buffer.Write(value);
        ReadOnlySpan<byte> zeros = [0, 0, 0];
        _buffer.Write(zeros[..(-_buffer.WrittenCount & 3)]);
        return this;
    }

    /// <summary>Bytes as they are, for a function inside another.</summary>
    public TlWriter Raw(ReadOnlySpan<byte> value)
    {
        _buffer.Write(value);
        return this;
    }
}
