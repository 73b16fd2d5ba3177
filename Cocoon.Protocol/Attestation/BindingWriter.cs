using System.Buffers;
using System.Buffers.Binary;

namespace Cocoon.Protocol.Attestation;

/// <summary>Writes big-endian fields with explicit lengths; the counterpart of <see cref="BindingReader"/>.</summary>
internal sealed class BindingWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    public BindingWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _buffer.Write(bytes);
        return this;
    }

    public BindingWriter U8(int value) => Raw([checked((byte)value)]);

    public BindingWriter U16(int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.GetSpan(sizeof(ushort)), checked((ushort)value));
        _buffer.Advance(sizeof(ushort));
        return this;
    }

    public BindingWriter U32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.GetSpan(sizeof(uint)), value);
        _buffer.Advance(sizeof(uint));
        return this;
    }

    public BindingWriter U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer.GetSpan(sizeof(ulong)), value);
        _buffer.Advance(sizeof(ulong));
        return this;
    }

    public BindingWriter Opaque16(ReadOnlySpan<byte> bytes) => U16(bytes.Length).Raw(bytes);

    public BindingWriter Opaque32(ReadOnlySpan<byte> bytes) => U32((uint)bytes.Length).Raw(bytes);

    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();
}
