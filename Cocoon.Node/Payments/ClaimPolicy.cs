namespace Cocoon.Node.Payments;

/// <summary>Why a channel is claimed now; a closed set.</summary>
internal enum ClaimReason
{
    /// <summary>Not now.</summary>
    None = 0,

    /// <summary>Enough is unclaimed that the fee is about 1 %.</summary>
    Threshold,

    /// <summary>Less than two challenge periods to the expiry.</summary>
    Expiry,

    /// <summary>The client has started to close.</summary>
    Closing,

    /// <summary>An ack left long ago and the client did not use it.</summary>
    AckUnused,

    /// <summary>A claim was wished for in an earlier run.</summary>
    Queued,

    /// <summary>The node stops.</summary>
    Shutdown,
}

/// <summary>When vouchers are redeemed. A claim costs about 0.001 TON of the provider's own.</summary>
internal static class ClaimPolicy
{
    /// <summary>Less than this is not worth its fee, however urgent: 0.0015 TON.</summary>
    public const ulong Minimum = 1_500_000;

    /// <summary>Seconds that a client has to use an ack before the provider claims by itself.</summary>
    public const uint AckPatience = 600;

    /// <param name="now">Chain time.</param>
    public static ClaimReason Judge(ProviderChannelRecord record, ulong unclaimed, ulong threshold, long now, bool shutdown)
    {
        if (record.Gone || unclaimed < Minimum)
        {
            return ClaimReason.None;
        }

        if (record.CloseAt != 0)
        {
            return ClaimReason.Closing;
        }

        if (record.ExpiresAt != 0 && record.ExpiresAt - now < 2L * record.Challenge)
        {
            return ClaimReason.Expiry;
        }

        if (record.Closing)
        {
            return now - record.AckAt > AckPatience ? ClaimReason.AckUnused : ClaimReason.None;
        }

        return record.ClaimQueued ? ClaimReason.Queued
            : unclaimed >= threshold ? ClaimReason.Threshold
            : shutdown && unclaimed >= threshold / 10 ? ClaimReason.Shutdown
            : ClaimReason.None;
    }
}
