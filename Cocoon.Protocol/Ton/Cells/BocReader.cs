using System.Buffers.Binary;
using System.Numerics;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Reads bags of cells: <c>serialized_boc#b5ee9c72</c> and the two legacy forms.</summary>
/// <remarks>
/// <code>
/// magic 4 · flags (has_idx 0x80, has_crc32c 0x40, has_cache_bits 0x20, size 0x07) · off_bytes · cells · roots · absent ·
/// total size · root list · [index of end offsets] · cells · [CRC32C, little-endian]
/// </code>
/// Iterative, one pass forward to find the cells and one backward to build them. References must point to a later cell,
/// so a bag cannot describe a cycle. Hashes stored in cells (d1 &amp; 16) are skipped: ours are computed.
/// </remarks>
internal static class BocReader
{
    private const uint MagicGeneric = 0xB5EE9C72;
    private const uint MagicIndexed = 0x68FF65F3;
    private const uint MagicIndexedCrc = 0xACC3A728;

    /// <summary>The only root.</summary>
    /// <exception cref="TonException">Malformed, over a limit, or not exactly one root.</exception>
    public static Cell ReadSingle(ReadOnlySpan<byte> boc, BocLimits? limits = null)
    {
        Cell[] roots = Read(boc, limits);
        return roots.Length == 1 ? roots[0] : throw TonException.Malformed($"bag of cells with {roots.Length} roots where one was expected");
    }

    /// <exception cref="TonException">Malformed or over a limit.</exception>
    public static Cell[] Read(ReadOnlySpan<byte> boc, BocLimits? limits = null)
    {
        limits ??= BocLimits.Default;
        if (boc.Length > limits.MaxBytes)
        {
            throw TonException.TooLarge($"bag of cells of {boc.Length} bytes (limit {limits.MaxBytes})");
        }

        Header header = ReadHeader(boc, limits);
        ReadOnlySpan<byte> cellBytes = boc.Slice(header.CellsAt, header.TotalSize);
        int[] offsets = FindCells(cellBytes, header);
        if (header.IndexEntrySize != 0)
        {
            CheckIndex(boc[header.IndexAt..], offsets, header);
        }

        Cell[] cells = BuildCells(cellBytes, offsets, header);
        return Array.ConvertAll(header.Roots, root => cells[root]);
    }

    private static Header ReadHeader(ReadOnlySpan<byte> boc, BocLimits limits)
    {
        SpanCursor cursor = new(boc);
        uint magic = (uint)cursor.Read(4);
        int flags = (int)cursor.Read(1);
        bool hasIndex = magic != MagicGeneric || (flags & 0x80) != 0;
        bool hasCrc = magic == MagicGeneric ? (flags & 0x40) != 0 : magic == MagicIndexedCrc;
        bool hasCacheBits = magic == MagicGeneric && (flags & 0x20) != 0;
        int size = magic == MagicGeneric ? flags & 7 : flags;
        if (magic is not (MagicGeneric or MagicIndexed or MagicIndexedCrc) || (magic == MagicGeneric && (flags & 0x18) != 0)
            || size is < 1 or > 4 || (hasCacheBits && !hasIndex))
        {
            throw TonException.Malformed("not a bag of cells");
        }

        int offsetBytes = (int)cursor.Read(1);
        if (offsetBytes is < 1 or > 8)
        {
            throw TonException.Malformed("bag of cells with an invalid offset size");
        }

        ulong cells = cursor.Read(size);
        ulong roots = cursor.Read(size);
        ulong absent = cursor.Read(size);
        ulong total = cursor.Read(offsetBytes);
        if (cells > (ulong)limits.MaxCells || roots > (ulong)limits.MaxRoots)
        {
            throw TonException.TooLarge($"bag of {cells} cells and {roots} roots (limits {limits.MaxCells} and {limits.MaxRoots})");
        }

        // Two descriptor bytes are the least that a cell takes, so counts are checked before anything is allocated.
        if (cells == 0 || roots == 0 || absent != 0 || total < 2 * cells || total > (ulong)boc.Length)
        {
            throw TonException.Malformed("bag of cells with impossible counts");
        }

        if (magic != MagicGeneric && roots != 1)
        {
            throw TonException.Malformed("legacy bag of cells with more than one root");
        }

        int[] rootList = new int[(int)roots];
        if (magic == MagicGeneric)
        {
            foreach (ref int root in rootList.AsSpan())
            {
                ulong index = cursor.Read(size);
                root = index < cells ? (int)index : throw TonException.Malformed("root out of range");
            }
        }

        int indexAt = cursor.Position;
        int cellsAt = indexAt + (hasIndex ? checked((int)cells * offsetBytes) : 0);
        int end = checked(cellsAt + (int)total);
        if (boc.Length != end + (hasCrc ? 4 : 0))
        {
            throw TonException.Malformed("bag of cells is truncated or has bytes left over");
        }

        if (hasCrc && Checksums.Crc32C(boc[..end]) != BinaryPrimitives.ReadUInt32LittleEndian(boc[end..]))
        {
            throw TonException.Malformed("bag of cells with a wrong CRC32C");
        }

        return new Header((int)cells, size, (int)total, cellsAt, indexAt, hasIndex ? offsetBytes : 0, hasCacheBits, rootList);
    }

    private static int[] FindCells(ReadOnlySpan<byte> bytes, in Header header)
    {
        int[] offsets = new int[header.Cells + 1];
        int position = 0;
        for (int i = 0; i < header.Cells; i++)
        {
            offsets[i] = position;
            if (position + 2 > bytes.Length)
            {
                throw TonException.Malformed("bag of cells ends inside a cell");
            }

            byte d1 = bytes[position];
            int references = d1 & 7;
            if (references > Cell.MaxReferences)
            {
                throw TonException.Malformed("cell with more than 4 references, or absent");
            }

            position += 2 + StoredHashes(d1) + ((bytes[position + 1] + 1) >> 1) + (references * header.ReferenceSize);
        }

        offsets[header.Cells] = position;
        return position == bytes.Length ? offsets : throw TonException.Malformed("cells do not fill the bag");
    }

    private static void CheckIndex(ReadOnlySpan<byte> index, int[] offsets, in Header header)
    {
        SpanCursor cursor = new(index);
        for (int i = 1; i < offsets.Length; i++)
        {
            ulong entry = cursor.Read(header.IndexEntrySize);
            if ((header.HasCacheBits ? entry >> 1 : entry) != (ulong)offsets[i])
            {
                throw TonException.Malformed("index that does not match the cells");
            }
        }
    }

    private static Cell[] BuildCells(ReadOnlySpan<byte> bytes, int[] offsets, in Header header)
    {
        Cell[] cells = new Cell[header.Cells];
        Cell[] references = new Cell[Cell.MaxReferences];
        Span<byte> data = stackalloc byte[128];
        for (int i = header.Cells - 1; i >= 0; i--)
        {
            ReadOnlySpan<byte> encoded = bytes[offsets[i]..offsets[i + 1]];
            byte d1 = encoded[0];
            byte d2 = encoded[1];
            int dataLength = (d2 + 1) >> 1;
            int dataAt = 2 + StoredHashes(d1);
            encoded.Slice(dataAt, dataLength).CopyTo(data);
            int bits = dataLength * 8;
            if ((d2 & 1) != 0)
            {
                int tag = BitOperations.TrailingZeroCount(data[dataLength - 1] | 0x100);
                if (tag >= 7)
                {
                    throw TonException.Malformed("cell data without a completion tag");
                }

                bits -= tag + 1;
            }

            int count = d1 & 7;
            SpanCursor cursor = new(encoded[(dataAt + dataLength)..]);
            for (int r = 0; r < count; r++)
            {
                ulong target = cursor.Read(header.ReferenceSize);
                references[r] = target > (ulong)i && target < (ulong)header.Cells
                    ? cells[(int)target]
                    : throw TonException.Malformed("reference to the cell itself, an earlier one or none");
            }

            Cell cell = new(data[..dataLength], bits, references.AsSpan(0, count), (d1 & 8) != 0);
            cells[i] = cell.LevelMask == d1 >> 5 ? cell : throw TonException.Malformed("cell with a wrong level mask");
        }

        return cells;
    }

    private static int StoredHashes(byte d1) => (d1 & 16) == 0 ? 0 : (BitOperations.PopCount((uint)d1 >> 5) + 1) * (CellHash.Size + 2);

    private readonly record struct Header(
        int Cells, int ReferenceSize, int TotalSize, int CellsAt, int IndexAt, int IndexEntrySize, bool HasCacheBits, int[] Roots);

    private ref struct SpanCursor(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;

        public int Position { get; private set; }

        /// <summary>Big-endian, 1 to 8 bytes.</summary>
        public ulong Read(int count)
        {
            if (count > _bytes.Length - Position)
            {
                throw TonException.Malformed("bag of cells is truncated");
            }

            ulong value = 0;
            foreach (byte part in _bytes.Slice(Position, count))
            {
                value = (value << 8) | part;
            }

            Position += count;
            return value;
        }
    }
}
