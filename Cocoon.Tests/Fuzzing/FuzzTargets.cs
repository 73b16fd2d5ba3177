namespace Cocoon.Tests.Fuzzing;

/// <summary>The registry: a parser that reads strangers' bytes belongs into one of these lists.</summary>
internal static class FuzzTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        .. IdentityTargets.All,
        .. Libp2pTargets.All,
        .. LocalNetworkTargets.All,
        .. ReachabilityTargets.All,
        .. OfferTargets.All,
        .. SessionTargets.All,
        .. TonTargets.All,
        .. ModelTargets.All,
        .. AttestationTargets.All,
    ];
}
