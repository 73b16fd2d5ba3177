using System.Buffers;

namespace Cocoon.Protocol.Buffers;

/// <summary>Unsigned varint of multiformats: LEB128 of at most 63 bits, minimally encoded.</summary>
public static class Varint
{
    /// <summary>Bytes of the longest legal encoding.</summary>
    public const int MaxLength = 9;

    /// <summary>Bytes that <paramref name="value"/> takes.</summary>
    public static int GetLength(ulong value)
    {
        int length = 1;
        for (; value >= 0x80; value >>= 7)
        {
            length++;
        }

        return length;
    }

    /// <summary>Writes <paramref name="value"/> and returns the number of bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than 63 bits.</exception>
    public static int Write(Span<byte> destination, ulong value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, (ulong)long.MaxValue);
        int i = 0;
        for (; value >= 0x80; value >>= 7)
        {
            destination[i++] = (byte)(value | 0x80);
        }

        destination[i++] = (byte)value;
        return i;
    }

    public static void Write(IBufferWriter<byte> writer, ulong value) => writer.Advance(Write(writer.GetSpan(MaxLength), value));

    /// <summary>Reads one varint from the start of <paramref name="source"/>.</summary>
    public static VarintStatus Read(ReadOnlySpan<byte> source, out ulong value, out int consumed)
    {
        value = 0;
        consumed = 0;
        for (int i = 0; i < source.Length; i++)
        {
            if (i == MaxLength)
            {
                return VarintStatus.Invalid;
            }

            byte b = source[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                consumed = i + 1;
                return b == 0 && i > 0 ? VarintStatus.Invalid : VarintStatus.Done;
            }
        }

        return source.Length >= MaxLength ? VarintStatus.Invalid : VarintStatus.NeedMore;
    }

    /// <summary>Reads one varint that fits an <see cref="int"/> and moves <paramref name="source"/> past it; <c>false</c> when it is not whole and legal.</summary>
    public static bool TryReadInt(ref ReadOnlySpan<byte> source, out int value)
    {
        value = 0;
        if (Read(source, out ulong raw, out int consumed) != VarintStatus.Done || raw > int.MaxValue)
        {
            return false;
        }

        value = (int)raw;
        source = source[consumed..];
        return true;
    }
}
