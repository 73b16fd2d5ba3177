namespace Cocoon.Node.Control;

/// <summary>What an on-chain action would do, before it is done. Amounts are decimal strings of nanoTON.</summary>
/// <param name="Action">In words, beginning with a verb.</param>
/// <param name="ValueNanoton">Leaves the wallet with the messages; gas money among it comes back, less what is used.</param>
/// <param name="FeesNanoton">Expected network fees, from the chain's configuration as it is now.</param>
/// <param name="Affordable">Whether the wallet holds value and fee reserve.</param>
internal sealed record PreviewDocument(
    int Schema,
    string Action,
    string From,
    string To,
    string ValueNanoton,
    string FeesNanoton,
    string BalanceNanoton,
    string NeededNanoton,
    bool Affordable,
    string FeeSource);

/// <summary>Where this node reads the chain over HTTP, for commands beside it.</summary>
/// <param name="Registry">The registry contract that this node follows, if any.</param>
internal sealed record ChainDocument(int Schema, string Network, IReadOnlyList<string> Endpoints, string? Registry);

/// <param name="Another">Also when there is an open channel to the provider.</param>
internal sealed record OpenChannelRequest(string Provider, string DepositNanoton, bool DryRun = false, bool Another = false);

internal sealed record TopUpRequest(string AmountNanoton, bool DryRun = false);

/// <param name="Alone">Without the provider: start now, the rest comes back after the challenge.</param>
internal sealed record CloseRequestBody(bool Alone = false, bool DryRun = false);

internal sealed record DryRunRequest(bool DryRun = false);

/// <param name="AmountNanoton">Or <c>all</c>: everything that the wallet holds, less the fees.</param>
internal sealed record SendRequest(string To, string AmountNanoton, string? Comment = null, bool DryRun = false);

/// <param name="Name">Names the intention: the same name again is the same action.</param>
/// <param name="Action">In words, for the preview.</param>
/// <param name="Messages">Internal messages as bags of cells, base64.</param>
internal sealed record MessagesRequest(string Name, string Action, IReadOnlyList<string> Messages, bool DryRun = false);

internal sealed record MessageOutcomeDocument(
    int Schema, bool Succeeded, string Words, string? Transaction, string? ReceiverTransaction, string WalletFeesNanoton, IReadOnlyList<string> EachWords);

internal sealed record OpenedChannelDocument(int Schema, string Channel, string ChannelId, string Peer, string DepositNanoton, uint ExpiresAt, uint ChallengeSeconds);

/// <param name="Restored">Can be used and closed from now on.</param>
/// <param name="Waiting">Open on the chain; their provider is not known here, or did not answer.</param>
internal sealed record RestoredChannelsDocument(int Schema, IReadOnlyList<RestoredChannelDocument> Restored, IReadOnlyList<string> Waiting);

internal sealed record RestoredChannelDocument(string Channel, string ChannelId, string Peer, string DepositNanoton, string VoucheredNanoton);

/// <param name="ClaimableUntil">Chain time at which the rest comes back by itself.</param>
internal sealed record StartedCloseDocument(int Schema, string Channel, uint ClaimableUntil, string Words);

internal sealed record ChannelStatementDocument(int Schema, ChannelsDocument.Row Channel, ChannelStatementDocument.Sums Money, IReadOnlyList<ChannelStatementDocument.Entry> Entries, IReadOnlyList<ChannelStatementDocument.Check> Checks, bool Exact)
{
    internal sealed record Sums(
        string SentNanoton,
        string ReturnedNanoton,
        string SentByOthersNanoton,
        string ReturnedToOthersNanoton,
        string? RedeemedNanoton,
        string WalletFeesNanoton,
        string ChannelFeesNanoton,
        string LeftInChannelNanoton,
        string WalletBeforeNanoton,
        string WalletAfterNanoton,
        string OtherTransactionsNanoton);

    internal sealed record Entry(
        uint TimeUnix, string Account, string What, string ReceivedNanoton, string SentNanoton, string FeesNanoton, string ChangeNanoton, string Transaction);

    /// <param name="UnexplainedNanoton">"0" when the sum comes out; <c>null</c>: the endpoint no longer shows all that it needs.</param>
    internal sealed record Check(string Name, string Equation, string? UnexplainedNanoton);
}
