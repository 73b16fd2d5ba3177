using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Sending;

/// <summary>A message that a wallet shall send.</summary>
/// <param name="Key">Names the intention, for example <c>claim:0:…:1234</c>. Enqueuing the same key again is the same request.</param>
/// <param name="Message">The internal message, see <see cref="Messages.InternalMessage"/>.</param>
/// <param name="Mode">Flags for the send action; wallet v5 adds +2.</param>
internal sealed record OutboxRequest(string Key, Cell Message, Wallets.SendMode Mode)
{
    /// <summary>What was signed for it before it was given up; <c>null</c> when nothing was, or none of it can happen any more.</summary>
    public RefusedExternals? Refused { get; init; }
}

/// <summary>Externals that the wallet refused and that are taken for expired, on the word of a clock.</summary>
/// <param name="Hashes">Normalized, at least one.</param>
/// <param name="Seqno">The highest sequence number that one of them was signed for.</param>
/// <param name="LastBefore">The wallet's last transaction when the first of them was signed.</param>
internal sealed record RefusedExternals(IReadOnlyList<CellHash> Hashes, uint Seqno, TransactionId LastBefore);
