using Cocoon.Node.Payments;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Control;

/// <summary>Previews of what the node's wallet would send.</summary>
internal sealed class Previews(WalletAccount wallet)
{
    public const string FeeSource = "this chain's configuration 21 and 25, read now";

    public WalletAccount Wallet => wallet;

    /// <summary>Before doing: the money must be there, or nothing is tried.</summary>
    /// <exception cref="PaymentException">Too little, with what is needed and where to send it.</exception>
    public Task RequireAsync(IReadOnlyList<InternalMessage> messages, CancellationToken cancellationToken) => ClientChannels.RequireFundsAsync(
        wallet, messages.Aggregate(0UL, (sum, message) => checked(sum + message.Value)), cancellationToken);

    /// <exception cref="TonException">The chain did not answer.</exception>
    public async Task<PreviewDocument> OfAsync(string action, IReadOnlyList<InternalMessage> messages, CancellationToken cancellationToken)
    {
        SendPreview preview = await wallet.PreviewAsync(messages, cancellationToken);
        TonAddress[] receivers = [.. messages.Select(m => m.Destination).Distinct()];
        return new PreviewDocument(
            ControlJson.Schema,
            action,
            preview.Wallet.ToFriendly(bounceable: false),
            receivers.Length == 1 ? receivers[0].ToFriendly(messages[0].Bounce) : $"{receivers.Length} accounts",
            ControlJson.Nanoton(preview.Value),
            ControlJson.Nanoton(preview.Fees),
            ControlJson.Nanoton(preview.Balance),
            ControlJson.Nanoton(preview.Needed),
            preview.IsAffordable,
            FeeSource);
    }
}
