using Cocoon.Node.Discovery;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Libp2p.Protocols.Kad;

namespace Cocoon.Tests.Simulation;

/// <summary>Gives each node the routing table and directory that it would have in a network that has existed for long.</summary>
/// <remarks>
/// Of each bucket's peers k by chance; the table's own rules still decide (bucket size, diversity). What is skipped is the forming of
/// the network, nothing that runs in it.
/// </remarks>
internal sealed class WarmStart
{
    private const int BucketSize = 20, ProvidersAsked = 3;

    private readonly (KadId Id, SimHost Host)[] _servers;
    private readonly Dictionary<SimModel, SimHost[]> _providers;
    private readonly Random _random;

    public WarmStart(IReadOnlyList<SimNode> nodes, Random random)
    {
        _servers = [.. nodes.Where(node => node.Host.IsDialable).Select(node => (KadId.Of(node.Host.LocalPeer), node.Host)).OrderBy(server => server.Item1)];
        _providers = nodes.Where(node => node.Serves is not null).GroupBy(node => node.Serves!).ToDictionary(group => group.Key, group => group.Select(node => node.Host).ToArray());
        _random = random;
    }

    /// <returns>Peers of the table to be connected to.</returns>
    public PeerId[] Fill(SimNode node, int connections)
    {
        KadId self = KadId.Of(node.Host.LocalPeer);
        List<KadPeer> table = [];
        (int low, int high) = (0, _servers.Length);
        for (int bit = 0; bit < 64 && high - low > 0; bit++)
        {
            // The range shares `bit` bits with the node: one half of it is the bucket, the other one goes on.
            ulong mask = 1UL << (63 - bit);
            int middle = FirstWith(low, high, (self.A | mask) & ~(mask - 1));
            bool isUpper = (self.A & mask) != 0;
            Choose(isUpper ? low : middle, isUpper ? middle : high, table);
            (low, high) = isUpper ? (middle, high) : (low, middle);
        }

        foreach (KadPeer peer in table)
        {
            node.Host.AddAddresses(peer.Peer, peer.Addresses, KadLookup.HeardAddressTimeToLive);
            node.Table.TryAdd(peer.Peer, peer.Addresses.Select(IpGroups.Wide).FirstOrDefault(static group => group is not null));
        }

        PeerId[] peers = [.. table.Select(peer => peer.Peer)];
        _random.Shuffle(peers);
        return peers[..Math.Min(connections, peers.Length)];
    }

    /// <summary>Whom somebody who follows the model asked for offers once: as many as a finder asks.</summary>
    public IEnumerable<PeerId> ProvidersOf(SimModel model)
    {
        SimHost[] providers = _providers.GetValueOrDefault(model, []);
        return Enumerable.Range(0, Math.Min(ProvidersAsked, providers.Length)).Select(_ => providers[_random.Next(providers.Length)].LocalPeer).Distinct().ToArray();
    }

    /// <summary>What every node knows of the directory: as many announcements of each model as its pacing lets through, of the last interval.</summary>
    public void Inform(IReadOnlyList<SimNode> nodes)
    {
        (byte[] Signed, PeerId From)[] heard =
        [
            .. nodes.Where(node => node.Serves is not null).GroupBy(node => node.Serves!).SelectMany(group => group.Take(DirectoryPacing.Redundancy))
                .Select(node => (node.DirectoryOf(node.Serves!, _random.NextDouble() * DirectoryPacing.Longest), node.Host.LocalPeer)),
        ];
        foreach (SimNode node in nodes)
        {
            foreach ((byte[] signed, PeerId from) in heard.Where(item => item.From != node.Host.LocalPeer))
            {
                node.Know(signed, from);
            }
        }
    }

    private int FirstWith(int low, int high, ulong least)
    {
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _servers[middle].Id.A < least ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private void Choose(int low, int high, List<KadPeer> table)
    {
        // Sampling without repetition (Floyd); a small bucket is taken whole.
        int count = Math.Min(BucketSize, high - low);
        HashSet<int> chosen = [];
        for (int i = high - low - count; i < high - low; i++)
        {
            int index = _random.Next(i + 1);
            index = chosen.Add(index) ? index : i;
            chosen.Add(index);
            SimHost host = _servers[low + index].Host;
            table.Add(new KadPeer(host.LocalPeer, host.Addresses));
        }
    }
}
