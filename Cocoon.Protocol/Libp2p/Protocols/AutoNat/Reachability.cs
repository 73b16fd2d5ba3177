using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.AutoNat;

/// <summary>Whether strangers can dial this node.</summary>
public enum Reachability
{
    /// <summary>Nobody was asked yet, or the answers do not suffice.</summary>
    Unknown,

    /// <summary>Dials from outside arrive.</summary>
    Public,

    /// <summary>They do not: a NAT or a firewall is in between.</summary>
    Private,
}

/// <summary>The verdict with what it rests on.</summary>
/// <param name="Verified">Addresses at which strangers reached us.</param>
/// <param name="Successes">Networks whose dial arrived.</param>
/// <param name="Failures">Networks whose dial did not.</param>
/// <param name="CheckedAt">The newest answer; <c>null</c> before the first.</param>
public sealed record ReachabilityReport(Reachability Verdict, IReadOnlyList<Multiaddr> Verified, int Successes, int Failures, DateTimeOffset? CheckedAt)
{
    /// <summary>Nobody was asked.</summary>
    public static ReachabilityReport None { get; } = new(Reachability.Unknown, [], 0, 0, null);

    public bool IsPublic => Verdict == Reachability.Public;

    public bool IsPrivate => Verdict == Reachability.Private;
}
