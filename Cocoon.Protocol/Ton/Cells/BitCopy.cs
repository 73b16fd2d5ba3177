namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Bit strings are big-endian: bit 0 is the highest bit of the first byte.</summary>
internal static class BitCopy
{
    /// <summary>ORs <paramref name="count"/> bits into a destination whose target bits are zero.</summary>
    public static void Or(ReadOnlySpan<byte> source, int sourceBit, Span<byte> destination, int destinationBit, int count)
    {
        if (((sourceBit | destinationBit) & 7) == 0)
        {
            int whole = count >> 3;
            source.Slice(sourceBit >> 3, whole).CopyTo(destination[(destinationBit >> 3)..]);
            sourceBit += whole << 3;
            destinationBit += whole << 3;
            count &= 7;
        }

        while (count > 0)
        {
            int room = 8 - (destinationBit & 7);
            int step = Math.Min(room, count);
            destination[destinationBit >> 3] |= (byte)(Peek(source, sourceBit, step) << (room - step));
            sourceBit += step;
            destinationBit += step;
            count -= step;
        }
    }

    /// <summary>Up to 8 bits at a bit offset.</summary>
    public static int Peek(ReadOnlySpan<byte> source, int bit, int count)
    {
        int index = bit >> 3;
        int window = (source[index] << 8) | (index + 1 < source.Length ? source[index + 1] : 0);
        return (window >> (16 - (bit & 7) - count)) & ((1 << count) - 1);
    }

    public static bool Test(ReadOnlySpan<byte> source, int bit) => (source[bit >> 3] & (0x80 >> (bit & 7))) != 0;
}
