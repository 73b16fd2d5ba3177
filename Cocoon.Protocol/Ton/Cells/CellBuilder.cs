using System.Numerics;
using System.Text;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>Builds one cell. Overflow is the caller's bug: <see cref="InvalidOperationException"/>.</summary>
internal sealed class CellBuilder
{
    private readonly byte[] _data = new byte[128];
    private readonly Cell[] _references = new Cell[Cell.MaxReferences];
    private int _referenceCount;

    public int BitLength { get; private set; }

    public int ReferenceCount => _referenceCount;

    public int AvailableBits => Cell.MaxBits - BitLength;

    public Cell Build(bool exotic = false) => new(_data, BitLength, _references.AsSpan(0, _referenceCount), exotic);

    public CellBuilder StoreBit(bool bit)
    {
        Reserve(1);
        if (bit)
        {
            _data[BitLength >> 3] |= (byte)(0x80 >> (BitLength & 7));
        }

        BitLength++;
        return this;
    }

    /// <summary>The first <paramref name="count"/> bits of <paramref name="source"/>.</summary>
    public CellBuilder StoreBits(ReadOnlySpan<byte> source, int count, int offset = 0)
    {
        Reserve(count);
        BitCopy.Or(source, offset, _data, BitLength, count);
        BitLength += count;
        return this;
    }

    public CellBuilder StoreBytes(ReadOnlySpan<byte> source) => StoreBits(source, source.Length * 8);

    public CellBuilder StoreUtf8(string text) => StoreBytes(Encoding.UTF8.GetBytes(text));

    public CellBuilder StoreUInt(ulong value, int bits)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 64);
        if (bits < 64 && value >> bits != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(value), $"{value} does not fit {bits} bits.");
        }

        if (bits == 0)
        {
            return this;
        }

        Span<byte> bytes = stackalloc byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(bytes, value << (64 - bits));
        return StoreBits(bytes, bits);
    }

    public CellBuilder StoreInt(long value, int bits)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 64);
        if (bits < 64 && (value >> (bits - 1)) is not (0 or -1))
        {
            throw new ArgumentOutOfRangeException(nameof(value), $"{value} does not fit {bits} signed bits.");
        }

        return StoreUInt(bits == 64 ? (ulong)value : (ulong)value & ((1UL << bits) - 1), bits);
    }

    public CellBuilder StoreBigUInt(BigInteger value, int bits)
    {
        if (value.Sign < 0 || value.GetBitLength() > bits)
        {
            throw new ArgumentOutOfRangeException(nameof(value), $"Value does not fit {bits} bits.");
        }

        if (bits == 0)
        {
            return this;
        }

        int length = (bits + 7) >> 3;
        byte[] bytes = new byte[length];
        value.TryWriteBytes(bytes.AsSpan(length - value.GetByteCount(isUnsigned: true)), out _, isUnsigned: true, isBigEndian: true);
        return StoreBits(bytes, bits, (length * 8) - bits);
    }

    public CellBuilder StoreBigInt(BigInteger value, int bits)
    {
        if (value.GetBitLength() > bits - 1)
        {
            throw new ArgumentOutOfRangeException(nameof(value), $"Value does not fit {bits} signed bits.");
        }

        return StoreBigUInt(value.Sign < 0 ? value + (BigInteger.One << bits) : value, bits);
    }

    /// <summary>VarUInteger: length in bytes in <paramref name="lengthBits"/> bits, then the value in as few bytes as hold it.</summary>
    public CellBuilder StoreVarUInt(BigInteger value, int lengthBits)
    {
        int bytes = value.IsZero ? 0 : value.GetByteCount(isUnsigned: true);
        StoreUInt((ulong)bytes, lengthBits);
        return StoreBigUInt(value, bytes * 8);
    }

    /// <summary>Grams: VarUInteger 16, in nanotons.</summary>
    public CellBuilder StoreCoins(UInt128 nanotons) => StoreVarUInt(nanotons, 4);

    /// <summary><c>addr_std</c> without anycast, or <c>addr_none</c>.</summary>
    public CellBuilder StoreAddress(TonAddress? address)
    {
        if (address is not { } value)
        {
            return StoreUInt(0, 2);
        }

        StoreUInt(0b100, 3).StoreInt(value.Workchain, 8);
        return StoreHash(value.Id);
    }

    public CellBuilder StoreHash(CellHash hash)
    {
        Span<byte> bytes = stackalloc byte[CellHash.Size];
        hash.CopyTo(bytes);
        return StoreBytes(bytes);
    }

    public CellBuilder StoreReference(Cell cell)
    {
        if (_referenceCount == Cell.MaxReferences)
        {
            throw new InvalidOperationException("A cell holds 4 references.");
        }

        _references[_referenceCount++] = cell;
        return this;
    }

    /// <summary>Maybe ^Cell.</summary>
    public CellBuilder StoreMaybeReference(Cell? cell)
    {
        StoreBit(cell is not null);
        return cell is null ? this : StoreReference(cell);
    }

    /// <summary>All bits and references of an ordinary cell, inline.</summary>
    public CellBuilder StoreCell(Cell cell)
    {
        StoreBits(cell.Data, cell.BitLength);
        foreach (Cell reference in cell.References)
        {
            StoreReference(reference);
        }

        return this;
    }

    /// <summary>Either X ^X: inline when bits and references fit with <paramref name="keepBits"/> to spare, else in a reference.</summary>
    public CellBuilder StoreEither(Cell cell, int keepBits = 0, bool forceReference = false)
    {
        bool inline = !forceReference
            && !cell.IsExotic
            && AvailableBits - 1 - keepBits >= cell.BitLength
            && _referenceCount + cell.References.Length <= Cell.MaxReferences;
        StoreBit(!inline);
        return inline ? StoreCell(cell) : StoreReference(cell);
    }

    public CellBuilder Store(ICellContent content)
    {
        content.StoreTo(this);
        return this;
    }

    private void Reserve(int bits)
    {
        if (bits > AvailableBits)
        {
            throw new InvalidOperationException($"A cell holds {Cell.MaxBits} bits: {BitLength} are used, {bits} more do not fit.");
        }
    }
}
