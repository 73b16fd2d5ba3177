using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>A message that a wallet shall send.</summary>
/// <param name="Key">Names the intention, for example <c>claim:0:…:1234</c>. Enqueuing the same key again is the same request.</param>
/// <param name="Message">The internal message, see <see cref="Messages.InternalMessage"/>.</param>
/// <param name="Mode">Flags for the send action; wallet v5 adds +2.</param>
internal sealed record OutboxRequest(string Key, Cell Message, Wallets.SendMode Mode);
