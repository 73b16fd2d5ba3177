using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>How a channel ended, read from the parsed transactions. All amounts are nanoTON.</summary>
/// <param name="Transaction">Hash of the channel's last transaction, hex; of our wallet's own when that one can no longer be listed.</param>
/// <param name="PaidToProvider">Value of the message to the payout address in this close.</param>
/// <param name="ClaimedTotal">All that the provider was ever paid by the channel.</param>
/// <param name="Refunded">Value of the message that brought the rest back.</param>
/// <param name="WalletFees">What our wallet's sending transaction cost, forward fee included.</param>
/// <param name="ChannelFees">What the channel's transaction cost; paid from what we attached. <c>null</c> when it can no longer be listed.</param>
/// <param name="RefundFees">What our wallet was charged on receipt.</param>
internal sealed record ChannelSettlement(
    CellHash Channel,
    string Transaction,
    ulong PaidToProvider,
    ulong ClaimedTotal,
    ulong Refunded,
    ulong WalletFees,
    ulong? ChannelFees,
    ulong RefundFees);
