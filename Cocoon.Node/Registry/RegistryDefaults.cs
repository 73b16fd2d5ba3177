using Cocoon.Protocol.Contracts;

namespace Cocoon.Node.Registry;

/// <summary>What a registry is deployed with when its admin does not say otherwise.</summary>
internal static class RegistryDefaults
{
    /// <summary>Three days: additions wait that long in public.</summary>
    public const uint TimeLock = 259_200;

    /// <summary>0.2 TON: rent of a full registry for years.</summary>
    public const ulong DeployValue = 200_000_000;

    /// <summary>10 TON.</summary>
    public const ulong MinStake = 10_000_000_000;

    /// <summary>Seven days.</summary>
    public const uint UnbondPeriod = 604_800;

    public static NetParams Params { get; } = new(
        MinStake, UnbondPeriod, MinChallenge: 3_600, MaxOpenWindow: 86_400, ProtocolMin: 1, ProtocolMax: 1);
}
