namespace Cocoon.Node.Payments;

/// <summary>The terms on which a provider accepts channels and lends.</summary>
internal sealed class ProviderOptions
{
    /// <summary>Seconds that a channel must leave us between its client's <c>start_close</c> and the end.</summary>
    public uint MinChallengeSeconds { get; init; } = 3_600;

    /// <summary>Capacity a channel must have when it is first seen: 0.02 TON.</summary>
    public ulong MinDeposit { get; init; } = 20_000_000;

    /// <summary>Most that is lent on any channel: 0.05 TON.</summary>
    public ulong MaxCredit { get; init; } = 50_000_000;

    /// <summary>A state that only one unproven endpoint told counts for at most this much: 0.1 TON.</summary>
    public ulong UncorroboratedLimit { get; init; } = 100_000_000;

    /// <summary>Goes on serving past half of the challenge without a block; more than 0 is the owner's own risk.</summary>
    public TimeSpan OfflineAllowance { get; init; }

    /// <summary>A claim costs about 0.001 TON: from 0.1 TON on, that is at most 1 %.</summary>
    public ulong ClaimThreshold { get; init; } = 100_000_000;

    /// <summary>Channels held in memory and on disk; the least used without unclaimed money make room.</summary>
    public int MaxChannels { get; init; } = 10_000;

    /// <summary>A verified state is read again for a new session when it is older than this.</summary>
    public TimeSpan RefreshAfter { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Wait for the chain when a session needs a state.</summary>
    public TimeSpan ChainTimeout { get; init; } = TimeSpan.FromSeconds(5);
}
