using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>A message for a wallet to send.</summary>
/// <param name="Message">The message cell, see <see cref="Messages.InternalMessage"/>.</param>
internal sealed record WalletTransfer(Cell Message, SendMode Mode);
