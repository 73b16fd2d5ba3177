namespace Cocoon.Node.Payments;

/// <summary>Where a channel that we pay through is in its life; the words in the store and in <c>cocoon channels</c>.</summary>
internal enum ChannelPhase
{
    /// <summary>Stored, and its opening is sent or about to be.</summary>
    Opening,

    Open,

    /// <summary>The provider has agreed to a total, or <c>start_close</c> was sent; no more vouchers.</summary>
    Closing,

    /// <summary>The account is destroyed and the rest came back.</summary>
    Closed,

    /// <summary>The opening window passed without an opened channel; nothing was lost but fees.</summary>
    Failed,
}
