namespace Cocoon.Node.Payments;

/// <summary>What a client lets leave its wallet without asking its owner. Amounts are nanoTON.</summary>
internal sealed class SpendOptions
{
    /// <summary>Put into a new channel, unless the provider demands more: 0.2 TON.</summary>
    public ulong Deposit { get; init; } = 200_000_000;

    /// <summary>Most that is tied up with one provider, over all its channels: 1 TON.</summary>
    public ulong DepositCapPerProvider { get; init; } = 1_000_000_000;

    /// <summary>Most that one request may cost: 0.1 TON.</summary>
    public ulong PerRequest { get; init; } = 100_000_000;

    /// <summary>Most that is vouched in a UTC day, over all channels: 1 TON.</summary>
    public ulong PerDay { get; init; } = 1_000_000_000;

    /// <summary>Most that requests of one application key may cost in a UTC day; <c>null</c>: only <see cref="PerDay"/> counts.</summary>
    public ulong? PerKeyPerDay { get; init; }

    /// <summary>
    /// Most that a channel owes on its provider's word alone, for sessions that were cut off, unless a tenth of what it owes is more:
    /// 0.001 TON, as much as a provider lends to somebody new (design §4). The first such session is always believed, within its own bound.
    /// </summary>
    public ulong Unconfirmed { get; init; } = CreditPolicy.NewcomerCredit;

    /// <summary>Channels opened without their owner asking.</summary>
    public int OpensPerHour { get; init; } = 3;

    /// <summary>Requests to one provider in an hour after which a second provider of the same model gets a channel too; 0: never.</summary>
    public int StandbyAfter { get; init; } = 8;

    /// <summary>Seconds the provider has after a <c>start_close</c>: at least this, at most <see cref="MaxChallengeSeconds"/>.</summary>
    public uint MinChallengeSeconds { get; init; } = 3_600;

    public uint MaxChallengeSeconds { get; init; } = 86_400;

    /// <summary>Seconds from opening to expiry, after which anybody may send the rest back to us: 7 days.</summary>
    public uint LifetimeSeconds { get; init; } = 7 * 86_400;

    /// <summary>Seconds in which an <c>open</c> may still arrive; no channel closes before they are over.</summary>
    public uint OpenWindowSeconds { get; init; } = 60;

    /// <summary>Wait for an opened channel to be seen on the chain.</summary>
    public TimeSpan OpenTimeout { get; init; } = TimeSpan.FromSeconds(90);
}
