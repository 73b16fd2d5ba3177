using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>What gas and messages cost in the basechain, from the chain's own configuration (parameters 21 and 25). Never a constant: prices change by vote.</summary>
/// <param name="FlatGasLimit">Gas that <paramref name="FlatGasPrice"/> nanoTON pay for.</param>
/// <param name="GasPrice">nanoTON · 2^16 per further unit.</param>
/// <param name="LumpPrice">nanoTON per message.</param>
/// <param name="BitPrice">nanoTON · 2^16 per bit beside the message's root cell.</param>
/// <param name="CellPrice">nanoTON · 2^16 per cell beside the root.</param>
internal sealed record FeeSchedule(ulong FlatGasLimit, ulong FlatGasPrice, ulong GasPrice, ulong LumpPrice, ulong BitPrice, ulong CellPrice)
{
    private const int GasParameter = 21;
    private const int ForwardParameter = 25;
    private const ulong FlatTag = 0xD1, PlainTag = 0xDD, ExtendedTag = 0xDE, ForwardTag = 0xEA;
    private const int MaxCells = 8_192;

    /// <exception cref="TonException">The chain did not answer, or its parameters have an unknown form.</exception>
    public static async Task<FeeSchedule> LoadAsync(ITonClient client, CancellationToken cancellationToken) => Read(
        await client.GetConfigParamAsync(GasParameter, cancellationToken), await client.GetConfigParamAsync(ForwardParameter, cancellationToken));

    /// <exception cref="TonException">Not the layouts of <c>block.tlb</c>.</exception>
    public static FeeSchedule Read(Cell gas, Cell forward)
    {
        CellSlice prices = gas.BeginParse();
        ulong tag = prices.LoadUInt(8), flatLimit = 0, flatPrice = 0;
        if (tag == FlatTag)
        {
            flatLimit = prices.LoadUInt64();
            flatPrice = prices.LoadUInt64();
            tag = prices.LoadUInt(8);
        }

        if (tag is not (PlainTag or ExtendedTag))
        {
            throw TonException.Malformed($"gas prices of the unknown form {tag:x2}");
        }

        ulong gasPrice = prices.LoadUInt64();
        CellSlice messages = forward.BeginParse();
        return messages.LoadUInt(8) == ForwardTag
            ? new FeeSchedule(flatLimit, flatPrice, gasPrice, messages.LoadUInt64(), messages.LoadUInt64(), messages.LoadUInt64())
            : throw TonException.Malformed("message prices of an unknown form");
    }

    /// <summary>nanoTON for this much gas.</summary>
    public ulong Gas(ulong used) => used <= FlatGasLimit ? FlatGasPrice : checked(FlatGasPrice + Scaled((UInt128)GasPrice * (used - FlatGasLimit)));

    /// <summary>nanoTON to carry a message: its lump price, and every distinct cell beside the root.</summary>
    public ulong Forward(Cell message)
    {
        HashSet<CellHash> seen = [];
        Stack<Cell> open = new(message.References.ToArray());
        ulong bits = 0;
        while (open.TryPop(out Cell? cell) && seen.Count < MaxCells)
        {
            if (seen.Add(cell.Hash))
            {
                bits += (ulong)cell.BitLength;
                foreach (Cell reference in cell.References)
                {
                    open.Push(reference);
                }
            }
        }

        return checked(LumpPrice + Scaled(((UInt128)BitPrice * bits) + ((UInt128)CellPrice * (ulong)seen.Count)));
    }

    private static ulong Scaled(UInt128 price) => (ulong)((price + 0xFFFF) >> 16);
}
