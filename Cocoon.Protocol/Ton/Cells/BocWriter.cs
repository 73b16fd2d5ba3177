using System.Buffers.Binary;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Writes bags of cells: roots first, each distinct cell once, children after their parents, no index.</summary>
internal static class BocWriter
{
    public static byte[] Write(Cell root, bool crc = true) => Write([root], crc);

    public static byte[] Write(ReadOnlySpan<Cell> roots, bool crc = true)
    {
        ArgumentOutOfRangeException.ThrowIfZero(roots.Length, nameof(roots));
        List<Cell> order = Sort(roots);
        Dictionary<CellHash, int> index = new(order.Count);
        int referenceCount = 0;
        int dataSize = 0;
        for (int i = 0; i < order.Count; i++)
        {
            index[order[i].Hash] = i;
            referenceCount += order[i].References.Length;
            dataSize += 2 + order[i].Data.Length;
        }

        int size = BytesFor(order.Count);
        int total = dataSize + (referenceCount * size);
        int offsetBytes = BytesFor(total);
        byte[] boc = new byte[6 + (3 * size) + offsetBytes + (roots.Length * size) + total + (crc ? 4 : 0)];
        BinaryPrimitives.WriteUInt32BigEndian(boc, 0xB5EE9C72);
        boc[4] = (byte)((crc ? 0x40 : 0) | size);
        boc[5] = (byte)offsetBytes;
        int position = 6;
        Put(boc, ref position, order.Count, size);
        Put(boc, ref position, roots.Length, size);
        Put(boc, ref position, 0, size);
        Put(boc, ref position, total, offsetBytes);
        foreach (Cell root in roots)
        {
            Put(boc, ref position, index[root.Hash], size);
        }

        foreach (Cell cell in order)
        {
            boc[position++] = cell.Descriptor1(cell.LevelMask);
            boc[position++] = cell.Descriptor2;
            position += cell.WriteTaggedData(boc.AsSpan(position));
            foreach (Cell reference in cell.References)
            {
                Put(boc, ref position, index[reference.Hash], size);
            }
        }

        if (crc)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(boc.AsSpan(position), Checksums.Crc32C(boc.AsSpan(0, position)));
        }

        return boc;
    }

    /// <summary>Reverse post-order with an explicit stack: every cell before the cells it refers to.</summary>
    private static List<Cell> Sort(ReadOnlySpan<Cell> roots)
    {
        List<Cell> order = [];
        HashSet<CellHash> seen = [];
        Stack<(Cell Cell, int Next)> path = new();
        for (int r = roots.Length - 1; r >= 0; r--)
        {
            if (!seen.Add(roots[r].Hash))
            {
                continue;
            }

            path.Push((roots[r], roots[r].References.Length));
            while (path.TryPop(out (Cell Cell, int Next) top))
            {
                if (top.Next == 0)
                {
                    order.Add(top.Cell);
                    continue;
                }

                path.Push((top.Cell, top.Next - 1));
                Cell child = top.Cell.References[top.Next - 1];
                if (seen.Add(child.Hash))
                {
                    path.Push((child, child.References.Length));
                }
            }
        }

        order.Reverse();
        return order;
    }

    private static int BytesFor(int value) => value < 1 << 8 ? 1 : value < 1 << 16 ? 2 : value < 1 << 24 ? 3 : 4;

    private static void Put(byte[] boc, ref int position, int value, int size)
    {
        for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
        {
            boc[position++] = (byte)(value >> shift);
        }
    }
}
