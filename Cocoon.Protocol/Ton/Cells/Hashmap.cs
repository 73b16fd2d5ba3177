using System.Numerics;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>A dictionary with keys of a fixed number of bits (TL-B <c>Hashmap n X</c>); values are cell contents.</summary>
/// <remarks>Keys are byte strings padded with zero bits at the end, ordered as bit strings.</remarks>
internal sealed class Hashmap(int keyBits)
{
    private readonly SortedDictionary<byte[], Cell> _entries = new(KeyComparer.Instance);

    public int KeyBits { get; } = keyBits is > 0 and <= Cell.MaxBits ? keyBits : throw new ArgumentOutOfRangeException(nameof(keyBits));

    public int Count => _entries.Count;

    public IEnumerable<KeyValuePair<byte[], Cell>> Entries => _entries;

    /// <summary>All entries of the dictionary under <paramref name="root"/>; <c>null</c> is the empty dictionary.</summary>
    /// <exception cref="TonException">Malformed, pruned, or more than <paramref name="maxEntries"/>.</exception>
    public static Hashmap Read(Cell? root, int keyBits, int maxEntries = 65_536, Action<CellSlice>? skipExtra = null)
    {
        Hashmap map = new(keyBits);
        foreach ((byte[] key, CellSlice value) in HashmapReader.Enumerate(root, keyBits, maxEntries, skipExtra))
        {
            map._entries.Add(key, value.RemainderToCell());
        }

        return map;
    }

    public bool TryGet(ReadOnlySpan<byte> key, out Cell? value) => _entries.TryGetValue(Normalize(key), out value);

    public void Set(ReadOnlySpan<byte> key, Cell value) => _entries[Normalize(key)] = value;

    public void Set(BigInteger key, Cell value) => _entries[IntegerKey(key)] = value;

    public bool Remove(ReadOnlySpan<byte> key) => _entries.Remove(Normalize(key));

    public bool Remove(BigInteger key) => _entries.Remove(IntegerKey(key));

    /// <summary>The root of the tree (<c>Hashmap</c>), or <c>null</c> when empty, as <c>HashmapE</c> stores it in a Maybe ^Cell.</summary>
    public Cell? ToCell()
    {
        if (_entries.Count == 0)
        {
            return null;
        }

        KeyValuePair<byte[], Cell>[] entries = [.. _entries];
        return BuildEdge(entries, 0);
    }

    /// <summary>An unsigned integer as a key of this dictionary.</summary>
    public byte[] IntegerKey(BigInteger key)
    {
        CellBuilder builder = new CellBuilder().StoreBigUInt(key, KeyBits);
        return builder.Build().Data.ToArray();
    }

    private byte[] Normalize(ReadOnlySpan<byte> key)
    {
        byte[] normalized = new byte[(KeyBits + 7) >> 3];
        BitCopy.Or(key, 0, normalized, 0, KeyBits);
        return normalized;
    }

    /// <summary>Depth of recursion is bounded by the key length: the entries are our own, parsed and limited before.</summary>
    private Cell BuildEdge(ReadOnlySpan<KeyValuePair<byte[], Cell>> entries, int start)
    {
        byte[] first = entries[0].Key;
        int common = KeyBits - start;
        if (entries.Length > 1)
        {
            byte[] last = entries[^1].Key;
            common = 0;
            while (BitCopy.Test(first, start + common) == BitCopy.Test(last, start + common))
            {
                common++;
            }
        }

        CellBuilder builder = new();
        StoreLabel(builder, first, start, common, KeyBits - start);
        if (entries.Length == 1)
        {
            return builder.StoreCell(entries[0].Value).Build();
        }

        int fork = start + common;
        int split = 1;
        while (!BitCopy.Test(entries[split].Key, fork))
        {
            split++;
        }

        return builder
            .StoreReference(BuildEdge(entries[..split], fork + 1))
            .StoreReference(BuildEdge(entries[split..], fork + 1))
            .Build();
    }

    /// <summary>The shortest label, ties broken as the node breaks them.</summary>
    internal static void StoreLabel(CellBuilder builder, byte[] key, int start, int length, int max)
    {
        int lengthBits = HashmapReader.LengthBits(max);
        bool same = true;
        for (int i = 1; i < length && same; i++)
        {
            same = BitCopy.Test(key, start) == BitCopy.Test(key, start + i);
        }

        if (length > 1 && same && lengthBits < (2 * length) - 1)
        {
            builder.StoreUInt(0b11, 2).StoreBit(BitCopy.Test(key, start)).StoreUInt((ulong)length, lengthBits);
            return;
        }

        if (lengthBits < length)
        {
            builder.StoreUInt(0b10, 2).StoreUInt((ulong)length, lengthBits);
        }
        else
        {
            builder.StoreBit(false);
            for (int i = 0; i < length; i++)
            {
                builder.StoreBit(true);
            }

            builder.StoreBit(false);
        }

        builder.StoreBits(key, length, start);
    }

    private sealed class KeyComparer : IComparer<byte[]>
    {
        public static KeyComparer Instance { get; } = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
