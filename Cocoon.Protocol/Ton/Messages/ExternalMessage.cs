using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>An external message to an account: how a wallet's owner reaches the chain.</summary>
internal sealed record ExternalMessage(TonAddress Destination, Cell Body) : ICellContent
{
    /// <summary>Present while the account is not active.</summary>
    public StateInit? StateInit { get; init; }

    public void StoreTo(CellBuilder builder)
    {
        StoreInfo(builder);
        MessageLayout.StoreInitAndBody(builder, StateInit, Body, keepBodyInline: true);
    }

    /// <summary>TEP-467: the hash without state init and with the body in a reference, equal however the message was laid out.</summary>
    public CellHash NormalizedHash()
    {
        CellBuilder builder = new();
        StoreInfo(builder);
        return builder.StoreBit(false).StoreBit(true).StoreReference(Body).Build().Hash;
    }

    /// <summary><c>ext_in_msg_info$10 src:addr_none dest import_fee:0</c>.</summary>
    private void StoreInfo(CellBuilder builder) =>
        builder.StoreUInt(0b10, 2).StoreAddress(null).StoreAddress(Destination).StoreCoins(0);
}
