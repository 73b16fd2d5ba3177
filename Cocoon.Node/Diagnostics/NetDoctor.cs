using System.Net;
using Cocoon.Node.Control;
using Cocoon.Node.Discovery;
using Cocoon.Node.Hosting;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

namespace Cocoon.Node.Diagnostics;

/// <summary>Examines this node's place in the network: what is so, why, and what to do. Measures, and says when it could not.</summary>
internal sealed partial class NetDoctor(
    NodeOptions options, NetworkName name, PeerNetwork network, LanDiscovery lan, GatewayMapping mapping, OfferBook book, MoneyReporter money, TimeProvider time)
{
    /// <summary>A light client has too few neighbours below this to survive one of them leaving.</summary>
    private const int FewPeers = 2;

    private static readonly TimeSpan LookupWait = TimeSpan.FromSeconds(10);

    public async Task<NetDoctorDocument> ExamineAsync(CancellationToken cancellationToken)
    {
        Task<StatusDocument.ChainState> chain = money.ChainAsync(cancellationToken);
        Task<NetCheck> dht = DhtAsync(cancellationToken);
        NatKind kind = NatAssessment.Judge(OwnAddresses.Observations(network), OwnAddresses.OfInterfaces());
        IReadOnlyList<NetDoctorDocument.AddressRow> addresses = OwnAddresses.Describe(network);
        StatusDocument.ChainState chainState = await chain;
        NetCheck[] checks =
        [
            Peers(),
            RoundTrips(network.Host.Connections),
            Listening(),
            Nat(kind),
            Reachability(addresses),
            Announced(addresses),
            .. Gateways(),
            await dht,
            Gossip(),
            Chain(chainState),
            Clock(chainState),
        ];
        NetVerdict worst = checks.Where(c => c.Verdict != NetVerdict.Unmeasured).Select(c => c.Verdict).Append(NetVerdict.Ok).Max();
        return new NetDoctorDocument(
            ControlJson.Schema,
            Word(worst),
            kind.Word(),
            [.. checks.Select(c => new NetDoctorDocument.CheckRow(c.Name, Word(c.Verdict), c.What, c.Why, c.Fix))],
            addresses);
    }

    private static string Word(NetVerdict verdict) => verdict.ToString().ToLowerInvariant();

    private NetCheck Peers()
    {
        IReadOnlyList<PeerConnectionInfo> connections = network.Host.Connections;
        int peers = connections.Select(c => c.Peer).Distinct().Count();
        int relayed = connections.GroupBy(c => c.Peer).Count(g => g.All(c => c.IsRelayed));
        string counts = $"{peers} connected ({peers - relayed} direct, {relayed} relayed)";
        return peers switch
        {
            0 => NetCheck.Fail("net.peers", "connected to nobody", "without a peer there is no market to see", "Give --bootstrap addresses of nodes that run; 'cocoon ping ADDRESS' tries one."),
            < FewPeers => NetCheck.Warn("net.peers", counts, "one neighbour can show whatever it likes, and may leave", "Add --bootstrap addresses, or wait for the DHT to widen the circle."),
            _ => NetCheck.Ok("net.peers", counts),
        };
    }

    internal static NetCheck RoundTrips(IReadOnlyList<PeerConnectionInfo> connections)
    {
        string[] ways = [.. connections.Where(c => c.RoundTrip is not null).GroupBy(c => c.IsRelayed).OrderBy(way => way.Key).Select(Describe)];
        return ways.Length > 0 ? NetCheck.Ok("net.rtt", string.Join(", ", ways)) : NetCheck.Unmeasured("net.rtt", "no ping was answered yet");

        static string Describe(IGrouping<bool, PeerConnectionInfo> way)
        {
            double[] milliseconds = [.. way.Select(c => c.RoundTrip!.Value.TotalMilliseconds).Order()];
            return $"{(way.Key ? "through relays" : "direct")} {milliseconds[milliseconds.Length / 2]:0.#} ms (median of {milliseconds.Length}, {milliseconds[0]:0.#} to {milliseconds[^1]:0.#})";
        }
    }

    private NetCheck Listening()
    {
        IReadOnlyList<IPEndPoint> endPoints = network.Host.ListenEndPoints;
        return endPoints.Count > 0
            ? NetCheck.Ok("net.listen", $"listens on {string.Join(", ", endPoints)}")
            : options.Role is NodeRole.Client or NodeRole.Observer
                ? NetCheck.Ok("net.listen", "dials only, as light clients do")
                : NetCheck.Fail("net.listen", "listens nowhere", "nobody can reach a node that serves", "Give --listen /ip4/0.0.0.0/tcp/4484.");
    }

    private static NetCheck Nat(NatKind kind) => kind switch
    {
        NatKind.None => NetCheck.Ok("net.nat", "no address translation: peers see our own address"),
        NatKind.LocalOnly => NetCheck.Ok("net.nat", "all peers are on this machine or its network: no translation between us"),
        NatKind.EndpointIndependent => NetCheck.Ok("net.nat", "translated, the same outside port for every destination: hole punching works"),
        NatKind.EndpointDependent => NetCheck.Warn(
            "net.nat", "translated, another outside port for each destination (symmetric)", "hole punching cannot work through such a NAT", "Map a port in the router, or rely on relays."),
        NatKind.Translated => NetCheck.Unmeasured("net.nat", "translated; of what kind shows when two peers see the same local port"),
        _ => NetCheck.Unmeasured("net.nat", "no peer told where it sees us"),
    };

    private NetCheck Reachability(IReadOnlyList<NetDoctorDocument.AddressRow> addresses)
    {
        if (network.Host.ListenEndPoints.Count == 0)
        {
            return NetCheck.Ok("net.reachability", "not needed: this node serves nobody");
        }

        ReachabilityReport dialledBack = network.Host.Reachability;
        NetDoctorDocument.AddressRow[] verified = [.. addresses.Where(a => a.Verified)];
        if (dialledBack.IsPublic)
        {
            return NetCheck.Ok("net.reachability", $"public: strangers of {dialledBack.Successes} networks dialled {string.Join(", ", dialledBack.Verified)}");
        }

        if (dialledBack.IsPrivate)
        {
            int relays = network.Host.HeldReservations.Count;
            return NetCheck.Warn(
                "net.reachability",
                $"private: dials from {dialledBack.Failures} networks did not arrive; {relays} relays lead here",
                relays > 0 ? "through a relay answers are slower, and it may end long ones" : "nobody can reach a node that serves",
                "Map or forward the port in the router; peers behind good NATs become direct by themselves.");
        }

        return verified.Length > 0
            ? NetCheck.Ok("net.reachability", $"peers came in at {string.Join(", ", verified.Select(a => a.Address))}")
            : NetCheck.Unmeasured("net.reachability", "nobody has come in from outside yet");
    }

    private NetCheck Announced(IReadOnlyList<NetDoctorDocument.AddressRow> addresses)
    {
        NetDoctorDocument.AddressRow[] announced = [.. addresses.Where(a => a.Announced)];
        if (network.Host.ListenEndPoints.Count == 0)
        {
            return NetCheck.Ok("net.addresses", "announces none");
        }

        if (announced.Length == 0)
        {
            return NetCheck.Fail(
                "net.addresses",
                "announces no address",
                "the addresses it listens on are private or loopback, and none was found from outside",
                "On one machine or LAN add --lan; else map a port in the router.");
        }

        int verified = announced.Count(a => a.Verified), seen = announced.Count(a => a.Observers > 0);
        string what = $"announces {announced.Length}, of which {verified} verified and {seen} seen by peers";
        return NetCheck.Ok("net.addresses", what);
    }

    private async Task<NetCheck> DhtAsync(CancellationToken cancellationToken)
    {
        int table = network.Dht.PeerCount;
        if (table == 0)
        {
            return network.Host.Connections.Count == 0
                ? NetCheck.Unmeasured("net.dht", "connected to nobody")
                : NetCheck.Warn("net.dht", "the table is empty", "no connected peer serves the DHT of this network", "Join through a node of the same --network.");
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(LookupWait);
        long started = time.GetTimestamp();
        try
        {
            byte[] target = System.Security.Cryptography.RandomNumberGenerator.GetBytes(PeerId.MaxLength);
            int answered = (await network.Dht.ClosestPeersAsync(target, limit.Token)).Count;
            string took = $"a lookup met {answered} peers in {time.GetElapsedTime(started).TotalMilliseconds:0} ms; {table} in the table";
            return answered > 0
                ? NetCheck.Ok("net.dht", took)
                : NetCheck.Fail("net.dht", "nobody answers lookups", $"{table} peers are in the table", "They may be gone: restart, or add --bootstrap addresses.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return NetCheck.Warn("net.dht", "lookups do not end in time", $"one took longer than {LookupWait.TotalSeconds:0} s", "The network is slow or overloaded; try again.");
        }
    }

    private NetCheck Gossip()
    {
        GossipsubTopicSnapshot[] joined = [.. network.Gossip.Snapshot().Topics.Where(t => t.IsSubscribed)];
        GossipsubTopicSnapshot[] lonely = [.. joined.Where(t => t.Mesh.Count == 0)];
        return joined.Length == 0
            ? NetCheck.Unmeasured("net.gossip", "no topic was joined yet")
            : lonely.Length == joined.Length
                ? NetCheck.Warn("net.gossip", $"alone in {lonely.Length} of {joined.Length} topics", "offers reach this node only when it asks", "Connect to more peers; see 'cocoon gossip mesh'.")
                : NetCheck.Ok("net.gossip", $"in the mesh of {joined.Length - lonely.Length} of {joined.Length} topics; {book.All().Count} offers known");
    }
}
