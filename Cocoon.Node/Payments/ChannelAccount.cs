using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>A channel's account as the chain showed it at one moment; read from code and data cell, never from get-methods.</summary>
/// <param name="State"><c>null</c> when there is no active account.</param>
/// <param name="Balance">nanoTON, with the reserve.</param>
/// <param name="ChainTime">Unix seconds, of the block that was read.</param>
/// <param name="Corroborated">Proven, or said alike by independent servers, or read from the user's own devnet.</param>
internal sealed record ChannelAccount(CellHash Channel, Cell? Code, ChannelState? State, ulong Balance, uint ChainTime, bool Corroborated)
{
    /// <summary>What the contract can still pay out.</summary>
    public ulong Spendable => ChannelContract.Spendable(Balance);

    /// <summary>What it can pay out over its whole life, in the terms of vouchers: cumulative.</summary>
    public ulong Capacity => State is null ? 0 : checked(State.Claimed + Spendable);

    /// <summary>Whether the address follows from the code and the terms as they are now (an extended channel's first expiry is not in its data).</summary>
    public bool HasItsOwnAddress => State is not null && Code is not null && new StateInit(Code, State.Terms.InitialData()).Hash == Channel;
}
