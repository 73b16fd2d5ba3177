using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>TL-B <c>StateInit</c>: what an account is deployed with. Its hash is the account id.</summary>
internal sealed record StateInit(Cell? Code, Cell? Data) : ICellContent
{
    public int? SplitDepth { get; init; }

    public (bool Tick, bool Tock)? TickTock { get; init; }

    public Cell? Libraries { get; init; }

    public CellHash Hash => this.ToCell().Hash;

    public TonAddress AddressIn(int workchain) => new(workchain, Hash);

    public void StoreTo(CellBuilder builder)
    {
        builder.StoreBit(SplitDepth is not null);
        if (SplitDepth is { } depth)
        {
            builder.StoreUInt((ulong)depth, 5);
        }

        builder.StoreBit(TickTock is not null);
        if (TickTock is { } special)
        {
            builder.StoreBit(special.Tick).StoreBit(special.Tock);
        }

        builder.StoreMaybeReference(Code).StoreMaybeReference(Data).StoreMaybeReference(Libraries);
    }

    /// <exception cref="TonException">Malformed.</exception>
    public static StateInit Read(CellSlice slice)
    {
        int? splitDepth = slice.LoadBit() ? (int)slice.LoadUInt(5) : null;
        (bool, bool)? special = slice.LoadBit() ? (slice.LoadBit(), slice.LoadBit()) : null;
        return new StateInit(slice.LoadMaybeReference(), slice.LoadMaybeReference())
        {
            SplitDepth = splitDepth,
            TickTock = special,
            Libraries = slice.LoadMaybeReference(),
        };
    }
}
