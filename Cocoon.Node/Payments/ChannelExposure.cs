namespace Cocoon.Node.Payments;

/// <summary>The book of one channel in numbers, nanoTON.</summary>
/// <param name="AtRisk">Served and not vouched.</param>
internal readonly record struct ChannelExposure(
    ulong Vouched, ulong Due, ulong Claimed, ulong AtRisk, ulong Capacity, int LiveSessions, bool Closing)
{
    /// <summary>Vouched and not yet paid out: lost if the chain is not reached before the channel ends.</summary>
    public ulong Unclaimed => Vouched > Claimed ? Vouched - Claimed : 0;
}
