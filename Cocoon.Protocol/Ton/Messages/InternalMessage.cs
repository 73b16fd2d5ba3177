using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>An internal message for a contract to send: source, fees and times are filled in by the chain.</summary>
/// <param name="Value">Nanotons that travel with it.</param>
/// <param name="Bounce">Whether a failing receiver returns the value. Payments to wallets that may not exist yet: <c>false</c>.</param>
internal sealed record InternalMessage(TonAddress Destination, ulong Value, bool Bounce, Cell Body) : ICellContent
{
    public StateInit? StateInit { get; init; }

    public void StoreTo(CellBuilder builder)
    {
        // int_msg_info$0 ihr_disabled bounce bounced src:addr_none dest value extra:empty extra_flags fwd_fee created_lt created_at
        builder.StoreUInt(0, 1).StoreBit(true).StoreBit(Bounce).StoreBit(false)
            .StoreAddress(null).StoreAddress(Destination)
            .StoreCoins(Value).StoreBit(false)
            .StoreCoins(0).StoreCoins(0).StoreUInt(0, 64).StoreUInt(0, 32);
        MessageLayout.StoreInitAndBody(builder, StateInit, Body, keepBodyInline: false);
    }

    /// <summary>The body of a text comment: operation 0, then UTF-8 in a chain of cells.</summary>
    public static Cell Comment(string text) => SnakeCell.Write(System.Text.Encoding.UTF8.GetBytes(text), new CellBuilder().StoreUInt(0, 32));
}
