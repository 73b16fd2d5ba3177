using System.Buffers;

namespace Cocoon.Protocol.Buffers;

/// <summary>Writes protobuf fields in the order called; the counterpart of <see cref="ProtobufReader"/>.</summary>
internal static class ProtobufWriter
{
    public static int VarintSize(ulong value)
    {
        int size = 1;
        while (value >= 0x80)
        {
            value >>= 7;
            size++;
        }

        return size;
    }

    /// <summary>Size of a length-delimited field with its tag (field numbers below 16).</summary>
    public static int BytesFieldSize(int length) => 1 + VarintSize((ulong)length) + length;

    public static void WriteVarint(IBufferWriter<byte> output, ulong value)
    {
        Span<byte> span = output.GetSpan(10);
        int count = 0;
        while (value >= 0x80)
        {
            span[count++] = (byte)(value | 0x80);
            value >>= 7;
        }

        span[count++] = (byte)value;
        output.Advance(count);
    }

    public static void WriteTag(IBufferWriter<byte> output, int field, int wireType) => WriteVarint(output, (ulong)((field << 3) | wireType));

    public static void WriteVarintField(IBufferWriter<byte> output, int field, ulong value)
    {
        WriteTag(output, field, ProtobufReader.Varint);
        WriteVarint(output, value);
    }

    public static void WriteBytesField(IBufferWriter<byte> output, int field, ReadOnlySpan<byte> value)
    {
        WriteLengthPrefix(output, field, value.Length);
        output.Write(value);
    }

    /// <summary>Tag and length of an embedded message whose body of <paramref name="length"/> bytes the caller writes next.</summary>
    public static void WriteLengthPrefix(IBufferWriter<byte> output, int field, int length)
    {
        WriteTag(output, field, ProtobufReader.Bytes);
        WriteVarint(output, (ulong)length);
    }
}
