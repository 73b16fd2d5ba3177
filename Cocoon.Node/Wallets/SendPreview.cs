using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Wallets;

/// <summary>What sending would do to the wallet, before anything is sent. All amounts are nanoTON.</summary>
/// <param name="Value">Of the messages; gas money among it comes back, less what is used.</param>
/// <param name="Fees">All that the network is expected to take, by the chain's prices as they are now.</param>
/// <param name="Balance">Of the wallet now.</param>
internal sealed record SendPreview(TonAddress Wallet, ulong Value, ulong Fees, ulong Balance, ulong FeeReserve)
{
    /// <summary>What must be on the wallet, or it is not sent.</summary>
    public ulong Needed => checked(Value + FeeReserve);

    public bool IsAffordable => Balance >= Needed;
}
