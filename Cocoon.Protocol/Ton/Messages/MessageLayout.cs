using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>Where the state init and the body of a message go: inline when they fit, else in a reference. Both are valid; hashes differ.</summary>
internal static class MessageLayout
{
    /// <param name="keepBodyInline">Move the init out of the way of the body, as external messages are usually built.</param>
    public static void StoreInitAndBody(CellBuilder builder, StateInit? init, Cell body, bool keepBodyInline)
    {
        builder.StoreBit(init is not null);
        if (init is not null)
        {
            builder.StoreEither(init.ToCell(), keepBits: keepBodyInline ? 1 + body.BitLength : 1);
        }

        builder.StoreEither(body);
    }
}
