using System.Net;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Diagnostics;

/// <summary>How the way out of this machine translates addresses, as far as connections tell.</summary>
internal enum NatKind
{
    /// <summary>Nobody told us where it sees us, or not enough to judge.</summary>
    Unknown = 0,

    /// <summary>Every observer is on this machine or its network: there is nothing to translate.</summary>
    LocalOnly = 1,

    /// <summary>Peers see us at an address of our own.</summary>
    None = 2,

    /// <summary>One outside port for every destination: hole punching works (RFC 4787, endpoint-independent mapping).</summary>
    EndpointIndependent = 3,

    /// <summary>Another outside port for each destination ("symmetric"): hole punching fails, a relay or a mapped port is needed.</summary>
    EndpointDependent = 4,

    /// <summary>Translated; of what kind needs a second observer of the same local port.</summary>
    Translated = 5,
}

/// <summary>What one outbound connection says of the way out.</summary>
/// <param name="Observer">The remote's address.</param>
/// <param name="Observed">Where it sees us.</param>
internal sealed record NatObservation(IPAddress Observer, IPEndPoint Local, IPEndPoint Observed);

/// <summary>Judges address translation from what peers on outbound connections say they see. Strangers' words: two of them must agree.</summary>
internal static class NatAssessment
{
    public static NatKind Judge(IReadOnlyList<NatObservation> observations, IReadOnlyCollection<IPAddress> ownAddresses)
    {
        NatObservation[] outside = [.. observations.Where(o => IpScopes.Of(o.Observer) == IpScope.Public)];
        if (outside.Length == 0)
        {
            return observations.Count > 0 ? NatKind.LocalOnly : NatKind.Unknown;
        }

        if (outside.All(o => ownAddresses.Contains(o.Observed.Address)))
        {
            return NatKind.None;
        }

        bool compared = false;
        foreach (IGrouping<IPEndPoint, NatObservation> port in outside.GroupBy(o => o.Local))
        {
            IPEndPoint[] seen = [.. port.DistinctBy(o => o.Observer).Select(o => o.Observed)];
            if (seen.Length < 2)
            {
                continue;
            }

            compared = true;
            if (seen.Distinct().Count() > 1)
            {
                return NatKind.EndpointDependent;
            }
        }

        return compared ? NatKind.EndpointIndependent : NatKind.Translated;
    }

    /// <summary>The word of JSON documents.</summary>
    public static string Word(this NatKind kind) => kind switch
    {
        NatKind.LocalOnly => "local_only",
        NatKind.None => "none",
        NatKind.EndpointIndependent => "endpoint_independent",
        NatKind.EndpointDependent => "endpoint_dependent",
        NatKind.Translated => "translated",
        _ => "unknown",
    };
}
