using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>An immutable TVM cell: at most 1,023 bits and 4 references, with its hash and depth at every level.</summary>
/// <remarks>
/// Hashes are computed at construction, children first, so nothing recurses. Exotic cells are checked as the node does:
/// exact length, and for Merkle cells the stored hashes and depths against the child's. Compared by representation hash.
/// </remarks>
internal sealed class Cell : IEquatable<Cell>
{
    public const int MaxBits = 1023;
    public const int MaxReferences = 4;
    public const int MaxDepth = 1024;

    private const int HashAndDepth = CellHash.Size + 2;

    private readonly byte[] _data;
    private readonly Cell[] _references;
    private readonly Lower[] _lower;
    private readonly CellHash _hash;
    private readonly ushort _depth;

    /// <param name="data">Bits from the highest bit of the first byte; bits past <paramref name="bitLength"/> are ignored.</param>
    /// <exception cref="TonException">Too deep, or an exotic cell that breaks its format.</exception>
    /// <exception cref="ArgumentException">More bits or references than a cell holds.</exception>
    public Cell(ReadOnlySpan<byte> data, int bitLength, ReadOnlySpan<Cell> references, bool exotic = false)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bitLength, MaxBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(references.Length, MaxReferences, nameof(references));
        int bytes = (bitLength + 7) >> 3;
        _data = data[..bytes].ToArray();
        if ((bitLength & 7) != 0)
        {
            _data[^1] &= (byte)(0xFF << (8 - (bitLength & 7)));
        }

        BitLength = bitLength;
        _references = references.ToArray();
        Type = exotic ? ReadExoticType() : CellType.Ordinary;
        LevelMask = ComputeLevelMask();
        (_lower, _hash, _depth) = ComputeHashes();
        if (Type is CellType.MerkleProof or CellType.MerkleUpdate)
        {
            CheckMerkle();
        }
    }

    /// <summary>The cell without bits and references.</summary>
    public static Cell Empty { get; } = new([], 0, []);

    public int BitLength { get; }

    public CellType Type { get; }

    public bool IsExotic => Type != CellType.Ordinary;

    /// <summary>Bit i − 1 is set when level i is significant.</summary>
    public byte LevelMask { get; }

    public int Level => 32 - BitOperations.LeadingZeroCount(LevelMask);

    /// <summary>Representation hash: the hash at the cell's own level.</summary>
    public CellHash Hash => _hash;

    public int Depth => _depth;

    /// <summary>Data bytes; bits past <see cref="BitLength"/> are zero.</summary>
    public ReadOnlySpan<byte> Data => _data;

    public ReadOnlySpan<Cell> References => _references;

    public CellHash HashAt(int level)
    {
        int index = HashIndex(level);
        if (index == BitOperations.PopCount(LevelMask))
        {
            return _hash;
        }

        return Type == CellType.Pruned ? new CellHash(_data.AsSpan(2 + (CellHash.Size * index), CellHash.Size)) : _lower[index].Hash;
    }

    public int DepthAt(int level)
    {
        int index = HashIndex(level);
        int total = BitOperations.PopCount(LevelMask);
        if (index == total)
        {
            return _depth;
        }

        return Type == CellType.Pruned
            ? BinaryPrimitives.ReadUInt16BigEndian(_data.AsSpan(2 + (CellHash.Size * total) + (2 * index)))
            : _lower[index].Depth;
    }

    /// <summary>Starts reading an ordinary cell.</summary>
    /// <exception cref="TonException">The cell is exotic: data that a proof left out, or a library.</exception>
    public CellSlice BeginParse() => IsExotic ? throw TonException.Malformed($"{Type} cell where data was expected") : new CellSlice(this);

    public bool Equals(Cell? other) => other is not null && _hash == other._hash;

    public override bool Equals(object? obj) => Equals(obj as Cell);

    public override int GetHashCode() => _hash.GetHashCode();

    public override string ToString() => $"{Type} cell {_hash}, {BitLength} bits, {_references.Length} references";

    /// <summary>First descriptor byte: references, exotic flag, level mask.</summary>
    internal byte Descriptor1(byte levelMask) => (byte)(_references.Length + (IsExotic ? 8 : 0) + (levelMask << 5));

    /// <summary>Second descriptor byte: length, odd when the last byte carries the completion tag.</summary>
    internal byte Descriptor2 => (byte)((BitLength >> 3) + ((BitLength + 7) >> 3));

    /// <summary>Writes the data bytes with the completion tag; returns how many.</summary>
    internal int WriteTaggedData(Span<byte> destination)
    {
        _data.CopyTo(destination);
        if ((BitLength & 7) != 0)
        {
            destination[_data.Length - 1] |= (byte)(0x80 >> (BitLength & 7));
        }

        return _data.Length;
    }

    private int HashIndex(int level) => BitOperations.PopCount((uint)LevelMask & ((1u << level) - 1));

    private CellType ReadExoticType()
    {
        if (BitLength < 8)
        {
            throw TonException.Malformed("exotic cell without a type byte");
        }

        int expectedBits;
        int expectedReferences;
        switch (_data[0])
        {
            case 1:
                int mask = BitLength >= 16 ? _data[1] : 0;
                if (mask is < 1 or > 7)
                {
                    throw TonException.Malformed("pruned branch with an invalid level mask");
                }

                (expectedBits, expectedReferences) = (16 + (8 * HashAndDepth * BitOperations.PopCount((uint)mask)), 0);
                break;
            case 2:
                (expectedBits, expectedReferences) = (8 + 256, 0);
                break;
            case 3:
                (expectedBits, expectedReferences) = (8 + (8 * HashAndDepth), 1);
                break;
            case 4:
                (expectedBits, expectedReferences) = (8 + (16 * HashAndDepth), 2);
                break;
            default:
                throw TonException.Malformed($"unknown exotic cell type {_data[0]}");
        }

        return BitLength == expectedBits && _references.Length == expectedReferences
            ? (CellType)_data[0]
            : throw TonException.Malformed($"{(CellType)_data[0]} cell with {BitLength} bits and {_references.Length} references");
    }

    private byte ComputeLevelMask()
    {
        switch (Type)
        {
            case CellType.Pruned:
                return _data[1];
            case CellType.Library:
                return 0;
            case CellType.MerkleProof:
                return (byte)(_references[0].LevelMask >> 1);
            case CellType.MerkleUpdate:
                return (byte)((_references[0].LevelMask | _references[1].LevelMask) >> 1);
            default:
                byte mask = 0;
                foreach (Cell reference in _references)
                {
                    mask |= reference.LevelMask;
                }

                return mask;
        }
    }

    private (Lower[] Lower, CellHash Hash, ushort Depth) ComputeHashes()
    {
        int total = BitOperations.PopCount(LevelMask);
        int first = Type == CellType.Pruned ? total : 0;
        Lower[] lower = total - first == 0 ? [] : new Lower[total];
        int childShift = Type is CellType.MerkleProof or CellType.MerkleUpdate ? 1 : 0;
        Span<byte> buffer = stackalloc byte[2 + 128 + (MaxReferences * HashAndDepth)];
        Span<byte> digest = stackalloc byte[CellHash.Size];
        CellHash previous = default;
        for (int level = 0, index = 0; ; level++)
        {
            if (level != 0 && (LevelMask & (1 << (level - 1))) == 0)
            {
                continue;
            }

            if (index < first)
            {
                index++;
                continue;
            }

            buffer[0] = Descriptor1((byte)(LevelMask & ((1 << level) - 1)));
            buffer[1] = Descriptor2;
            int length = 2;
            if (index == first)
            {
                length += WriteTaggedData(buffer[2..]);
            }
            else
            {
                previous.CopyTo(buffer[2..]);
                length += CellHash.Size;
            }

            int depth = 0;
            foreach (Cell reference in _references)
            {
                int childDepth = reference.DepthAt(level + childShift);
                depth = Math.Max(depth, childDepth + 1);
                BinaryPrimitives.WriteUInt16BigEndian(buffer[length..], (ushort)childDepth);
                length += 2;
            }

            if (depth > MaxDepth)
            {
                throw TonException.Malformed($"cell deeper than {MaxDepth}");
            }

            foreach (Cell reference in _references)
            {
                reference.HashAt(level + childShift).CopyTo(buffer[length..]);
                length += CellHash.Size;
            }

            SHA256.HashData(buffer[..length], digest);
            previous = new CellHash(digest);
            if (index == total)
            {
                return (lower, previous, (ushort)depth);
            }

            lower[index] = new Lower(previous, (ushort)depth);
            index++;
        }
    }

    private void CheckMerkle()
    {
        for (int i = 0; i < _references.Length; i++)
        {
            ReadOnlySpan<byte> stored = _data.AsSpan(1);
            CellHash hash = new(stored.Slice(i * CellHash.Size, CellHash.Size));
            int depth = BinaryPrimitives.ReadUInt16BigEndian(stored[((_references.Length * CellHash.Size) + (2 * i))..]);
            if (hash != _references[i].HashAt(0) || depth != _references[i].DepthAt(0))
            {
                throw TonException.Malformed($"{Type} cell whose stored hash or depth is not its child's");
            }
        }
    }

    private readonly record struct Lower(CellHash Hash, ushort Depth);
}
