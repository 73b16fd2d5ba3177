namespace Cocoon.Protocol.Ton.Sending;

/// <summary>How <see cref="WalletSender"/> behaves.</summary>
internal sealed record WalletSenderOptions
{
    /// <summary>Chain seconds that a signed external stays valid.</summary>
    public uint ValidForSeconds { get; init; } = 60;

    /// <summary>Between two looks at the chain while something is in flight. Blocks come every 0.4 s, final after about 1 s.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Between two sendings of the same external: this, doubled up to eight times.</summary>
    public TimeSpan FirstResend { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Chain seconds to wait for the receivers' transactions after the wallet's.</summary>
    public uint ReceiverWaitSeconds { get; init; } = 60;

    /// <summary>Nanotons that stay on the wallet for its fees. A request that would take more is rejected, not signed.</summary>
    public ulong FeeReserve { get; init; } = 10_000_000;

    /// <summary>After a failure to reach the chain: this, doubled up to <see cref="MaxChainBackOff"/>.</summary>
    public TimeSpan ChainBackOff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxChainBackOff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Requests in one external; the wallet's own limit applies too.</summary>
    public int MaxBatch { get; init; } = 255;
}
