using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Walks dictionaries, plain and augmented, without recursion and without trusting their shape.</summary>
/// <remarks>
/// <c>skipExtra</c> reads the augmentation away, at each leaf and fork; <c>null</c> for plain dictionaries.
/// A walk meeting a pruned branch fails; a look-up needs only the cells on its path, so it works in a proof.
/// </remarks>
internal static class HashmapReader
{
    /// <exception cref="TonException">Malformed, pruned, or more than <paramref name="maxEntries"/>.</exception>
    public static IEnumerable<(byte[] Key, CellSlice Value)> Enumerate(
        Cell? root, int keyBits, int maxEntries, Action<CellSlice>? skipExtra = null)
    {
        if (root is null)
        {
            yield break;
        }

        Stack<(Cell Cell, byte[] Prefix, int Length)> pending = new();
        pending.Push((root, new byte[(keyBits + 7) >> 3], 0));
        int entries = 0;
        while (pending.TryPop(out (Cell Cell, byte[] Prefix, int Length) edge))
        {
            CellSlice slice = edge.Cell.BeginParse();
            int length = edge.Length + ReadLabel(slice, keyBits - edge.Length, edge.Prefix, edge.Length);
            if (length == keyBits)
            {
                if (++entries > maxEntries)
                {
                    throw TonException.TooLarge($"dictionary of more than {maxEntries} entries");
                }

                skipExtra?.Invoke(slice);
                yield return (edge.Prefix, slice);
                continue;
            }

            Cell left = slice.LoadReference();
            Cell right = slice.LoadReference();
            CheckForkEnd(slice, skipExtra);
            byte[] rightPrefix = (byte[])edge.Prefix.Clone();
            rightPrefix[length >> 3] |= (byte)(0x80 >> (length & 7));
            pending.Push((right, rightPrefix, length + 1));
            pending.Push((left, edge.Prefix, length + 1));
        }
    }

    /// <returns><c>false</c> when the dictionary shows that the key is absent.</returns>
    /// <exception cref="TonException">Malformed, or the path to the key is pruned.</exception>
    public static bool TryLookup(
        Cell? root, int keyBits, ReadOnlySpan<byte> key, [NotNullWhen(true)] out CellSlice? value, Action<CellSlice>? skipExtra = null)
    {
        value = null;
        Span<byte> label = stackalloc byte[128];
        int done = 0;
        for (Cell? cell = root; cell is not null;)
        {
            CellSlice slice = cell.BeginParse();
            label.Clear();
            int length = ReadLabel(slice, keyBits - done, label, 0);
            for (int i = 0; i < length; i++)
            {
                if (BitCopy.Test(label, i) != BitCopy.Test(key, done + i))
                {
                    return false;
                }
            }

            done += length;
            if (done == keyBits)
            {
                skipExtra?.Invoke(slice);
                value = slice;
                return true;
            }

            Cell left = slice.LoadReference();
            Cell right = slice.LoadReference();
            CheckForkEnd(slice, skipExtra);
            cell = BitCopy.Test(key, done) ? right : left;
            done++;
        }

        return false;
    }

    /// <summary>Bits of a length field that can hold 0 to <paramref name="max"/>.</summary>
    public static int LengthBits(int max) => 32 - BitOperations.LeadingZeroCount((uint)max);

    private static void CheckForkEnd(CellSlice slice, Action<CellSlice>? skipExtra)
    {
        skipExtra?.Invoke(slice);
        slice.RequireEnd();
    }

    /// <summary>Reads a label into <paramref name="target"/> at a bit offset; returns its length.</summary>
    private static int ReadLabel(CellSlice slice, int max, Span<byte> target, int offset)
    {
        if (!slice.LoadBit())
        {
            int unary = 0;
            while (slice.LoadBit())
            {
                unary++;
            }

            ReadBits(slice, Checked(unary, max), target, offset);
            return unary;
        }

        bool same = slice.LoadBit();
        bool bit = same && slice.LoadBit();
        int length = Checked((int)slice.LoadUInt(LengthBits(max)), max);
        if (!same)
        {
            ReadBits(slice, length, target, offset);
        }
        else if (bit)
        {
            for (int i = offset; i < offset + length; i++)
            {
                target[i >> 3] |= (byte)(0x80 >> (i & 7));
            }
        }

        return length;
    }

    private static int Checked(int length, int max) =>
        length <= max ? length : throw TonException.Malformed("dictionary label longer than the key");

    private static void ReadBits(CellSlice slice, int count, Span<byte> target, int offset)
    {
        Span<byte> bits = stackalloc byte[128];
        bits.Clear();
        slice.LoadBits(bits, count);
        BitCopy.Or(bits, 0, target, offset, count);
    }
}
