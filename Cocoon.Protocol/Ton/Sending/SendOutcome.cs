namespace Cocoon.Protocol.Ton.Sending;

/// <summary>What became of a request.</summary>
internal enum SendResult
{
    /// <summary>The message left the wallet and its receiver took it.</summary>
    Delivered,

    /// <summary>The message left the wallet; its receiver failed. Bounceable value came back.</summary>
    RejectedByReceiver,

    /// <summary>The wallet did not send it: skipped action, or the wallet's transaction failed.</summary>
    NotSent,

    /// <summary>The message left the wallet; its receiver's transaction was not seen in time.</summary>
    SentUnconfirmed,

    /// <summary>
    /// Externals with it were signed and handed out, none was taken, and the chain's clock says that they are dead. Should that be a lie, the
    /// message may still leave the wallet.
    /// </summary>
    Refused,
}

/// <summary>The record of a request, for books and for people.</summary>
/// <param name="Words">One sentence that says what happened.</param>
/// <param name="WalletTransaction">Of the wallet; <c>null</c> when there is none.</param>
/// <param name="ReceiverTransaction">Of the account the message went to, when it was found.</param>
/// <param name="Value">Nanotons that the message carried as it arrived; 0 when it was not sent.</param>
/// <param name="ForwardFee">Nanotons paid to carry the message.</param>
/// <param name="WalletFees">Nanotons of fees of the wallet's transaction as a whole, which other requests may share.</param>
/// <param name="ReceiverExitCode">TVM exit code at the receiver; <c>null</c> when no code ran.</param>
/// <param name="ReceiverActionCode">Result of the receiver's actions; <c>null</c> when there were none.</param>
/// <param name="Bounced">The value came back, less fees.</param>
internal sealed record SendOutcome(
    SendResult Result,
    string Words,
    TransactionId? WalletTransaction = null,
    TransactionId? ReceiverTransaction = null,
    ulong Value = 0,
    ulong ForwardFee = 0,
    ulong WalletFees = 0,
    int? WalletExitCode = null,
    int SkippedActions = 0,
    int? ReceiverExitCode = null,
    int? ReceiverActionCode = null,
    bool Bounced = false)
{
    public bool Succeeded => Result == SendResult.Delivered;

    /// <summary>No external with it exists that could still happen.</summary>
    public bool WasNeverSigned => Result == SendResult.NotSent && WalletTransaction is null;

    /// <summary>Nothing left the wallet as far as is known: the same request may wait again. What was signed for it is looked for first.</summary>
    public bool WasGivenUp => WasNeverSigned || Result == SendResult.Refused;
}
