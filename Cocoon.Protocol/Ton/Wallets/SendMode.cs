namespace Cocoon.Protocol.Ton.Wallets;

/// <summary>Flags of the TVM's SENDRAWMSG.</summary>
[Flags]
internal enum SendMode : byte
{
    None = 0,

    /// <summary>Fees are paid beside the value instead of out of it.</summary>
    PayFeesSeparately = 1,

    /// <summary>A message that cannot be sent is skipped. Wallet v5 demands it of externals: look at <c>SkippedActions</c>.</summary>
    IgnoreErrors = 2,

    DestroyIfZero = 32,
    CarryInboundValue = 64,
    CarryAllBalance = 128,
}
