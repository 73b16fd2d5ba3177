using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>Bytes of any length in a chain of cells (TEP-64 "snake"): as many as fit, the rest in the only reference.</summary>
internal static class SnakeCell
{
    private const int BytesPerCell = Cell.MaxBits / 8;

    /// <param name="head">What precedes the bytes in the first cell.</param>
    public static Cell Write(ReadOnlySpan<byte> bytes, CellBuilder? head = null)
    {
        head ??= new CellBuilder();
        int first = Math.Min(bytes.Length, head.AvailableBits / 8);
        ReadOnlySpan<byte> rest = bytes[first..];
        Cell? tail = null;
        for (int end = rest.Length; end > 0;)
        {
            int start = (end - 1) / BytesPerCell * BytesPerCell;
            CellBuilder link = new CellBuilder().StoreBytes(rest[start..end]);
            tail = (tail is null ? link : link.StoreReference(tail)).Build();
            end = start;
        }

        head.StoreBytes(bytes[..first]);
        return (tail is null ? head : head.StoreReference(tail)).Build();
    }

    /// <exception cref="TonException">Not whole bytes, more than one reference, or longer than <paramref name="maxBytes"/>.</exception>
    public static byte[] Read(CellSlice slice, int maxBytes)
    {
        List<byte> bytes = [];
        while (true)
        {
            if (slice.RemainingBits % 8 != 0 || slice.RemainingReferences > 1)
            {
                throw TonException.Malformed("chain of cells that does not hold whole bytes");
            }

            if (bytes.Count + (slice.RemainingBits / 8) > maxBytes)
            {
                throw TonException.TooLarge($"chain of cells with more than {maxBytes} bytes");
            }

            bytes.AddRange(slice.LoadBytes(slice.RemainingBits / 8));
            if (slice.RemainingReferences == 0)
            {
                return [.. bytes];
            }

            slice = slice.LoadReference().BeginParse();
        }
    }
}
