using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>What can be proposed to the registry.</summary>
internal abstract record RegistryChange : ICellContent
{
    private RegistryChange()
    {
    }

    public sealed record PutMeasurement(CellHash Hash, ushort Flags, CellHash MetaHash) : RegistryChange;

    public sealed record DeleteMeasurement(CellHash Hash) : RegistryChange;

    public sealed record PutModel(CellHash Hash, ushort Flags, CellHash MetaHash) : RegistryChange;

    public sealed record DeleteModel(CellHash Hash) : RegistryChange;

    public sealed record SetParams(NetParams Params) : RegistryChange;

    public sealed record SetCodes(Cell Provider, Cell Channel) : RegistryChange;

    public sealed record SetAdmin(TonAddress Admin) : RegistryChange;

    public sealed record SetBootstrap(IReadOnlyList<string> Addresses) : RegistryChange;

    public void StoreTo(CellBuilder builder)
    {
        _ = this switch
        {
            PutMeasurement c => builder.StoreUInt(1, 8).StoreHash(c.Hash).StoreUInt(c.Flags, 16).StoreHash(c.MetaHash),
            DeleteMeasurement c => builder.StoreUInt(2, 8).StoreHash(c.Hash),
            PutModel c => builder.StoreUInt(3, 8).StoreHash(c.Hash).StoreUInt(c.Flags, 16).StoreHash(c.MetaHash),
            DeleteModel c => builder.StoreUInt(4, 8).StoreHash(c.Hash),
            SetParams c => builder.StoreUInt(5, 8).StoreReference(c.Params.ToCell()),
            SetCodes c => builder.StoreUInt(6, 8)
                .StoreReference(new CellBuilder().StoreReference(c.Provider).StoreReference(c.Channel).Build()),
            SetAdmin c => builder.StoreUInt(7, 8).StoreAddress(c.Admin),
            SetBootstrap c => builder.StoreUInt(8, 8).StoreReference(RegistryState.WriteBootstrap(c.Addresses)),
            _ => throw new InvalidOperationException("Unknown kind of change."),
        };
    }
}
