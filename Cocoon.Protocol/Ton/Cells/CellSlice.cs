using System.Numerics;

namespace Cocoon.Protocol.Ton.Cells;

/// <summary>A reading position in a cell. Reading past the end, or a value out of its format, throws <see cref="TonException"/> (Malformed).</summary>
internal sealed class CellSlice(Cell cell)
{
    private int _bit;
    private int _reference;

    public int RemainingBits => cell.BitLength - _bit;

    public int RemainingReferences => cell.References.Length - _reference;

    public bool IsEmpty => RemainingBits == 0 && RemainingReferences == 0;

    public CellSlice Clone() => new(cell) { _bit = _bit, _reference = _reference };

    public bool LoadBit()
    {
        Require(1);
        return BitCopy.Test(cell.Data, _bit++);
    }

    public ulong LoadUInt(int bits)
    {
        ulong value = PeekUInt(bits);
        _bit += bits;
        return value;
    }

    public uint LoadUInt32() => (uint)LoadUInt(32);

    public ulong LoadUInt64() => LoadUInt(64);

    public ulong PeekUInt(int bits)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 64);
        Require(bits);
        ulong value = 0;
        for (int done = 0; done < bits;)
        {
            int step = Math.Min(8, bits - done);
            value = (value << step) | (uint)BitCopy.Peek(cell.Data, _bit + done, step);
            done += step;
        }

        return value;
    }

    public long LoadInt(int bits)
    {
        ulong value = LoadUInt(bits);
        return bits == 0 ? 0 : (long)(value << (64 - bits)) >> (64 - bits);
    }

    public int LoadInt32() => (int)LoadInt(32);

    public BigInteger LoadBigUInt(int bits)
    {
        if (bits == 0)
        {
            return BigInteger.Zero;
        }

        Require(bits);
        byte[] bytes = new byte[(bits + 7) >> 3];
        BitCopy.Or(cell.Data, _bit, bytes, (bytes.Length * 8) - bits, bits);
        _bit += bits;
        return new BigInteger(bytes, isUnsigned: true, isBigEndian: true);
    }

    public BigInteger LoadBigInt(int bits)
    {
        BigInteger value = LoadBigUInt(bits);
        return bits > 0 && value >> (bits - 1) == BigInteger.One ? value - (BigInteger.One << bits) : value;
    }

    /// <summary>VarUInteger; a leading zero byte is refused, because one value has one encoding.</summary>
    public BigInteger LoadVarUInt(int lengthBits)
    {
        int bytes = (int)LoadUInt(lengthBits);
        BigInteger value = LoadBigUInt(bytes * 8);
        return bytes == 0 || value >> ((bytes - 1) * 8) != BigInteger.Zero
            ? value
            : throw TonException.Malformed("variable-length integer with a leading zero byte");
    }

    /// <summary>Grams: at most 120 bits.</summary>
    public UInt128 LoadCoins() => (UInt128)LoadVarUInt(4);

    /// <summary>Grams that must fit 64 bits, as every real amount does.</summary>
    public ulong LoadCoins64()
    {
        UInt128 coins = LoadCoins();
        return coins <= ulong.MaxValue ? (ulong)coins : throw TonException.Malformed("amount of more than 64 bits");
    }

    public byte[] LoadBytes(int count)
    {
        byte[] bytes = new byte[count];
        LoadBits(bytes, count * 8);
        return bytes;
    }

    public void LoadBits(Span<byte> destination, int bits)
    {
        Require(bits);
        BitCopy.Or(cell.Data, _bit, destination, 0, bits);
        _bit += bits;
    }

    public CellHash LoadHash()
    {
        Span<byte> bytes = stackalloc byte[CellHash.Size];
        bytes.Clear();
        LoadBits(bytes, 256);
        return new CellHash(bytes);
    }

    /// <summary><c>addr_none</c> is <c>null</c>; <c>addr_std</c> only without anycast (dead since version 10); external and variable ones are refused.</summary>
    public TonAddress? LoadAddress()
    {
        switch (LoadUInt(2))
        {
            case 0:
                return null;
            case 2 when !LoadBit():
                int workchain = (int)LoadInt(8);
                return new TonAddress(workchain, LoadHash());
            default:
                throw TonException.Malformed("address that is neither none nor standard");
        }
    }

    /// <exception cref="TonException">Also when the address is absent.</exception>
    public TonAddress LoadRequiredAddress() => LoadAddress() ?? throw TonException.Malformed("address is absent");

    /// <summary><c>addr_none</c> or <c>addr_extern</c>; the content is skipped.</summary>
    public void SkipExternalAddress()
    {
        switch (LoadUInt(2))
        {
            case 0:
                return;
            case 1:
                Skip((int)LoadUInt(9));
                return;
            default:
                throw TonException.Malformed("internal address where an external one belongs");
        }
    }

    public void Skip(int bits)
    {
        Require(bits);
        _bit += bits;
    }

    public Cell LoadReference() =>
        RemainingReferences > 0 ? cell.References[_reference++] : throw TonException.Malformed("reference past the end of a cell");

    public Cell? LoadMaybeReference() => LoadBit() ? LoadReference() : null;

    /// <summary>What is left, as a cell of its own.</summary>
    public Cell RemainderToCell()
    {
        if (_bit == 0 && _reference == 0 && !cell.IsExotic)
        {
            return cell;
        }

        CellBuilder builder = new();
        StoreRemainderTo(builder);
        return builder.Build();
    }

    public void StoreRemainderTo(CellBuilder builder)
    {
        builder.StoreBits(cell.Data, RemainingBits, _bit);
        foreach (Cell reference in cell.References[_reference..])
        {
            builder.StoreReference(reference);
        }
    }

    /// <exception cref="TonException">Bits or references are left: the layout is not the expected one.</exception>
    public void RequireEnd()
    {
        if (!IsEmpty)
        {
            throw TonException.Malformed($"{RemainingBits} bits and {RemainingReferences} references left over");
        }
    }

    private void Require(int bits)
    {
        if (bits < 0 || bits > RemainingBits)
        {
            throw TonException.Malformed($"{bits} bits wanted, {RemainingBits} left in the cell");
        }
    }
}
