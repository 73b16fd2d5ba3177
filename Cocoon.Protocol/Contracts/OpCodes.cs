namespace Cocoon.Protocol.Contracts;

/// <summary>First 32 bits of the bodies that our contracts take and send.</summary>
internal static class OpCodes
{
    public const uint ChannelOpen = 0x3D1C0001;
    public const uint ChannelTopUp = 0x3D1C0002;
    public const uint ChannelClaim = 0x3D1C0003;
    public const uint ChannelStartClose = 0x3D1C0004;
    public const uint ChannelFinishClose = 0x3D1C0005;
    public const uint ChannelCoopClose = 0x3D1C0006;
    public const uint ChannelExtend = 0x3D1C0007;
    public const uint ChannelPaidOut = 0x3D1C0011;
    public const uint ChannelClosing = 0x3D1C0012;
    public const uint ChannelRefunded = 0x3D1C0013;

    public const uint BondAddStake = 0x3D1D0001;
    public const uint BondPublish = 0x3D1D0002;
    public const uint BondUnbond = 0x3D1D0003;
    public const uint BondRebond = 0x3D1D0004;
    public const uint BondWithdraw = 0x3D1D0005;
    public const uint BondSlash = 0x3D1D0006;
    public const uint BondWithdrawn = 0x3D1D0011;
    public const uint BondSlashPaid = 0x3D1D0012;

    public const uint RegistryPropose = 0x3D1E0001;
    public const uint RegistryApply = 0x3D1E0002;
    public const uint RegistryCancel = 0x3D1E0003;
    public const uint RegistryRevoke = 0x3D1E0004;

    public const uint Excesses = 0xD53276DB;

    /// <summary>In words, or <c>null</c> for an operation that is not ours.</summary>
    public static string? Describe(uint opCode) => opCode switch
    {
        ChannelOpen => "open channel",
        ChannelTopUp => "top up channel",
        ChannelClaim => "claim",
        ChannelStartClose => "start closing channel",
        ChannelFinishClose => "finish closing channel",
        ChannelCoopClose => "close channel together",
        ChannelExtend => "extend channel",
        ChannelPaidOut => "paid out by channel",
        ChannelClosing => "channel is closing",
        ChannelRefunded => "refunded by channel",
        BondAddStake => "add stake",
        BondPublish => "publish profile",
        BondUnbond => "unbond",
        BondRebond => "rebond",
        BondWithdraw => "withdraw stake",
        BondSlash => "slash",
        BondWithdrawn => "stake withdrawn",
        BondSlashPaid => "reward for a proof of equivocation",
        RegistryPropose => "propose change of the registry",
        RegistryApply => "apply change of the registry",
        RegistryCancel => "cancel change of the registry",
        RegistryRevoke => "revoke in the registry",
        Excesses => "change",
        _ => null,
    };
}
