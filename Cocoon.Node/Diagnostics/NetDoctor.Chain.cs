using Cocoon.Node.Control;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Diagnostics;

/// <content>Chain and clock, and what the way to the network offers.</content>
internal sealed partial class NetDoctor
{
    /// <summary>TON makes a block every few seconds; this much behind means that chain, server or clock stands.</summary>
    private static readonly TimeSpan ChainLag = TimeSpan.FromSeconds(60);

    /// <summary>Block times are whole seconds and may lead a little.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(5);

    private static NetCheck Chain(StatusDocument.ChainState chain) => chain switch
    {
        { Endpoint: "" } => NetCheck.Unmeasured("chain.lag", "this node uses no chain"),
        { Reachable: false } => NetCheck.Fail("chain.lag", "the chain does not answer", $"{chain.Endpoint}: {chain.Problem}", "Check the endpoint, or give others with --ton."),
        { LagSeconds: { } lag } when lag > ChainLag.TotalSeconds => NetCheck.Warn(
            "chain.lag", $"{lag:0} s behind", "no new block: chain, server or clock stands; new sessions stop at a quarter of the challenge", "Try another --ton endpoint, and check this machine's clock."),
        _ => NetCheck.Ok("chain.lag", $"{chain.LagSeconds ?? 0:0.#} s behind, {chain.Endpoint}"),
    };

    /// <summary>
    /// Blocks and offers carry others' clocks. Newer than ours by more than the tolerance, in two offers or one block, means that ours is slow.
    /// A fast clock shows as a lag of both.
    /// </summary>
    private NetCheck Clock(StatusDocument.ChainState chain)
    {
        DateTimeOffset now = time.GetUtcNow();
        double[] ahead = [.. book.All().Where(o => o.Peer != network.Host.LocalPeer).Select(o => (o.IssuedAt - now).TotalSeconds).OrderDescending()];
        double? byChain = chain.TimeUnix is { } seconds ? seconds - now.ToUnixTimeMilliseconds() / 1000.0 : null;
        double? byOffers = ahead.Length >= 2 ? ahead[1] : null;
        double? worst = (byChain, byOffers) is (null, null) ? null : Math.Max(byChain ?? double.MinValue, byOffers ?? double.MinValue);
        string limit = $"offers more than {OfferLimits.ClockSkew.TotalSeconds:0} s ahead are not taken";
        return worst switch
        {
            null => NetCheck.Unmeasured("clock.skew", "neither a chain nor two offers to compare with"),
            { } s when s > ClockTolerance.TotalSeconds => NetCheck.Warn("clock.skew", $"this clock is {s:0.#} s slow", limit, "Synchronise it: timedatectl set-ntp true"),
            _ => NetCheck.Ok("clock.skew", "within what blocks and offers show"),
        };
    }

    private IEnumerable<NetCheck> Gateways()
    {
        if (mapping.State is { } state)
        {
            yield return state.Mapping switch
            {
                null when state.Problems.Count == 0 => NetCheck.Unmeasured("net.mapping", "the router is being asked"),
                null => NetCheck.Warn("net.mapping", "the router maps no port", string.Join(" ", state.Problems), "Switch UPnP or NAT-PMP on in the router, or forward the port by hand; relays work too."),
                { } mapped when mapping.Candidate is null => NetCheck.Warn(
                    "net.mapping", $"the router maps {mapped.External} ({mapped.Protocol})", "that is no public address: there is another NAT behind the router", "Map the port in the outer router too, or rely on relays."),
                { } mapped => NetCheck.Ok("net.mapping", $"the router maps {mapped.External} to port {mapped.Internal.Port} ({mapped.Protocol}), refreshed by {state.RefreshAt:HH:mm:ss} UTC"),
            };
        }

        if (lan.Interfaces.Count > 0)
        {
            yield return NetCheck.Ok("net.mdns", $"looks for peers on {string.Join(", ", lan.Interfaces)}; {lan.PeersHeard} heard");
        }

        if (network.Host.Connections.Where(c => c.IsRelayed).Select(c => c.Peer).Distinct().Count() is > 0 and var relayed)
        {
            yield return NetCheck.Ok("net.relay", $"{relayed} peers are reached through relays");
        }
    }
}
