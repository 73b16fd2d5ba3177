using Cocoon.Node.Control;
using Cocoon.Node.Payments;

namespace Cocoon.Node.Diagnostics;

/// <content>Chain and clock, and what the way to the network offers.</content>
internal sealed partial class NetDoctor
{
    /// <summary>TON makes a block every few seconds; this much behind means that chain, server or clock stands.</summary>
    private static readonly TimeSpan ChainLag = TimeSpan.FromSeconds(60);

    private static NetCheck Chain(StatusDocument.ChainState chain) => chain switch
    {
        { Endpoint: "" } => NetCheck.Unmeasured("chain.lag", "this node uses no chain"),
        { Reachable: false } => NetCheck.Fail("chain.lag", "the chain does not answer", $"{chain.Endpoint}: {chain.Problem}", "Check the endpoint, or give others with --ton."),
        { LagSeconds: { } lag } when lag > ChainLag.TotalSeconds => NetCheck.Warn(
            "chain.lag", $"{lag:0} s behind", "no new block: chain, server or clock stands; new sessions stop at a quarter of the challenge", "Try another --ton endpoint, and check this machine's clock."),
        _ => NetCheck.Ok("chain.lag", $"{chain.LagSeconds ?? 0:0.#} s behind, {chain.Endpoint}"),
    };

    private NetCheck Clock(StatusDocument.ChainState chain)
    {
        DateTimeOffset now = time.GetUtcNow();
        double[] offers = [.. book.All().Where(o => o.Peer != network.Host.LocalPeer).Select(o => (o.IssuedAt - now).TotalSeconds)];
        return ClockSkew.Judge(chain.TimeUnix - now.ToUnixTimeMilliseconds() / 1000.0, offers, isDevnet: name.Value == Networks.Devnet.Name);
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

        if (network.Host.RelayService is { } service)
        {
            yield return NetCheck.Ok(
                "net.relay_service", $"relays for others: {service.Reservations.Count} of {service.Limits.Reservations} reservations, {service.Circuits.Count} circuits");
        }
    }
}
