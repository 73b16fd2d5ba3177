namespace Cocoon.Protocol.Ton.LiteClient;

/// <summary>How <see cref="LiteTonClient"/> behaves.</summary>
internal sealed record LiteTonOptions
{
    /// <summary>Run by different parties.</summary>
    public required IReadOnlyList<LiteServerEndpoint> Servers { get; init; }

    /// <summary>Servers that must name the same block before anything in it is believed. With 1 and no <see cref="Anchor"/>, accounts are claimed, not agreed on.</summary>
    public int Quorum { get; init; } = 2;

    /// <summary>A masterchain block known to be right, such as <c>init_block</c> of a network's global configuration.</summary>
    /// <remarks>With one, every block must be proven from it through key blocks and validators' signatures; with none, the quorum is all there is.</remarks>
    public BlockId? Anchor { get; init; }

    public TimeSpan QueryTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For how long an agreed block serves further readings.</summary>
    public TimeSpan BlockAge { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>Proofs asked for, of at most 16 steps each, to come from the anchor to a block. Mainnet has about 5 key blocks a day.</summary>
    public int MaxProofParts { get; init; } = 1_000;

    /// <summary>How long past its term a validator set may sign: a rotation overruns by seconds, a failed election by days, a stolen old key for ever.</summary>
    public TimeSpan MaxValidatorOverrun { get; init; } = TimeSpan.FromDays(7);
}
