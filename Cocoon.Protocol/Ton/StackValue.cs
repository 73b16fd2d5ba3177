using System.Numerics;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton;

/// <summary>A value on the TVM's stack, as get-methods take and return it (TL-B <c>VmStackValue</c>).</summary>
internal abstract record StackValue
{
    /// <summary>A tuple inside a tuple is a cell deeper, so nothing that a bag of cells can hold recurses further.</summary>
    private const int MaxDepth = Cell.MaxDepth;
    private const int MaxValues = 16_384;

    private StackValue()
    {
    }

    public sealed record Null : StackValue;

    public sealed record Integer(BigInteger Value) : StackValue;

    public sealed record NotANumber : StackValue;

    public sealed record CellValue(Cell Cell) : StackValue;

    /// <summary>A slice, given as the cell of its content.</summary>
    public sealed record Slice(Cell Cell) : StackValue;

    public sealed record Builder(Cell Cell) : StackValue;

    public sealed record Tuple(IReadOnlyList<StackValue> Items) : StackValue;

    /// <summary>TL-B <c>VmStack</c>: depth, then each value under the one above it.</summary>
    public static Cell WriteStack(IReadOnlyList<StackValue> values)
    {
        Cell below = Cell.Empty;
        for (int i = 0; i < values.Count - 1; i++)
        {
            CellBuilder link = new CellBuilder().StoreReference(below);
            Write(values[i], link);
            below = link.Build();
        }

        CellBuilder top = new CellBuilder().StoreUInt((ulong)values.Count, 24);
        if (values.Count > 0)
        {
            top.StoreReference(below);
            Write(values[^1], top);
        }

        return top.Build();
    }

    /// <summary>Bottom first, as written.</summary>
    /// <exception cref="TonException">Malformed, a continuation, or over the limits on depth and number of values.</exception>
    public static IReadOnlyList<StackValue> ReadStack(Cell cell)
    {
        CellSlice slice = cell.BeginParse();
        int depth = (int)slice.LoadUInt(24);
        int budget = MaxValues;
        if (depth > budget)
        {
            throw TonException.TooLarge($"stack of {depth} values");
        }

        StackValue[] values = new StackValue[depth];
        for (int i = depth - 1; i >= 0; i--)
        {
            Cell below = slice.LoadReference();
            values[i] = Read(slice, ref budget, 0);
            slice = below.BeginParse();
        }

        return values;
    }

    private static void Write(StackValue value, CellBuilder builder)
    {
        switch (value)
        {
            case Null:
                builder.StoreUInt(0, 8);
                break;
            case Integer { Value: var number } when number >= long.MinValue && number <= long.MaxValue:
                builder.StoreUInt(1, 8).StoreInt((long)number, 64);
                break;
            case Integer { Value: var number }:
                builder.StoreUInt(0x0100, 15).StoreBigInt(number, 257);
                break;
            case NotANumber:
                builder.StoreUInt(0x02FF, 16);
                break;
            case CellValue { Cell: var cell }:
                builder.StoreUInt(3, 8).StoreReference(cell);
                break;
            case Slice { Cell: var cell }:
                builder.StoreUInt(4, 8).StoreUInt(0, 10).StoreUInt((ulong)cell.BitLength, 10)
                    .StoreUInt(0, 3).StoreUInt((ulong)cell.References.Length, 3).StoreReference(cell);
                break;
            case Builder { Cell: var cell }:
                builder.StoreUInt(5, 8).StoreReference(cell);
                break;
            case Tuple { Items: var items }:
                WriteTuple(items, builder);
                break;
            default:
                throw new ArgumentException("Unknown kind of stack value.", nameof(value));
        }
    }

    private static void WriteTuple(IReadOnlyList<StackValue> items, CellBuilder builder)
    {
        Cell? head = null;
        Cell? tail = null;
        for (int i = 0; i < items.Count; i++)
        {
            (head, tail) = (tail, head);
            if (i > 1)
            {
                head = new CellBuilder().StoreReference(tail!).StoreReference(head!).Build();
            }

            CellBuilder item = new();
            Write(items[i], item);
            tail = item.Build();
        }

        builder.StoreUInt(7, 8).StoreUInt((ulong)items.Count, 16);
        if (head is not null)
        {
            builder.StoreReference(head);
        }

        if (tail is not null)
        {
            builder.StoreReference(tail);
        }
    }

    private static StackValue Read(CellSlice slice, ref int budget, int depth)
    {
        // Cells may be shared, so a small bag can describe a huge tuple: the number of values is what is bounded.
        if (--budget < 0 || depth > MaxDepth)
        {
            throw TonException.TooLarge("stack with too many or too deep values");
        }

        switch (slice.LoadUInt(8))
        {
            case 0:
                return new Null();
            case 1:
                return new Integer(slice.LoadInt(64));
            case 2:
                if (slice.LoadUInt(7) == 0)
                {
                    return new Integer(slice.LoadBigInt(257));
                }

                slice.Skip(1);
                return new NotANumber();
            case 3:
                return new CellValue(slice.LoadReference());
            case 4:
                return ReadSlice(slice);
            case 5:
                return new Builder(slice.LoadReference());
            case 7:
                return ReadTuple(slice, ref budget, depth);
            default:
                throw TonException.Malformed("stack value of an unknown kind");
        }
    }

    private static Slice ReadSlice(CellSlice slice)
    {
        int startBit = (int)slice.LoadUInt(10);
        int endBit = (int)slice.LoadUInt(10);
        int startReference = (int)slice.LoadUInt(3);
        int endReference = (int)slice.LoadUInt(3);
        Cell cell = slice.LoadReference();
        if (startBit > endBit || endBit > cell.BitLength || startReference > endReference || endReference > cell.References.Length)
        {
            throw TonException.Malformed("slice outside its cell");
        }

        return new Slice(new Cell(
            new CellBuilder().StoreBits(cell.Data, endBit - startBit, startBit).Build().Data,
            endBit - startBit,
            cell.References[startReference..endReference]));
    }

    private static Tuple ReadTuple(CellSlice slice, ref int budget, int depth)
    {
        int length = (int)slice.LoadUInt(16);
        if (length > budget)
        {
            throw TonException.TooLarge($"tuple of {length} values");
        }

        StackValue[] items = new StackValue[length];
        if (length == 0)
        {
            return new Tuple(items);
        }

        Cell? head = length > 1 ? slice.LoadReference() : null;
        items[length - 1] = Read(slice.LoadReference().BeginParse(), ref budget, depth + 1);
        for (int i = length - 2; i > 0; i--)
        {
            CellSlice pair = head!.BeginParse();
            head = pair.LoadReference();
            items[i] = Read(pair.LoadReference().BeginParse(), ref budget, depth + 1);
        }

        if (head is not null)
        {
            items[0] = Read(head.BeginParse(), ref budget, depth + 1);
        }

        return new Tuple(items);
    }
}
