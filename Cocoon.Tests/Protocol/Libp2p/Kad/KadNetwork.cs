using System.Net;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

/// <summary>DHT nodes on an in-memory network with a clock of their own; the first one is everybody's bootstrap peer.</summary>
internal sealed class KadNetwork : IAsyncDisposable
{
    public const string Protocol = "/cocoon/test/kad/1.0.0";

    public KadNetwork()
    {
        Network = new MemoryNetwork(Time);
    }

    public ManualTimeProvider Time { get; } = new();

    public MemoryNetwork Network { get; }

    public List<KadNode> Nodes { get; } = [];

    public static Multiaddr Address(MemoryHost host) => host.Address.WithPeer(host.LocalPeer);

    public KadNode Add(KadMode mode = KadMode.Server, Action<KadOptions>? set = null, IPAddress? ip = null)
    {
        KadOptions options = new() { Protocol = Protocol, Mode = mode, AllowLocalAddresses = true, Random = new Random(Nodes.Count) };
        options.Validators.Add("cocoon", new HigherVersionValidator());
        if (Nodes.Count > 0)
        {
            options.BootstrapPeers.Add(Address(Nodes[0].Host));
        }

        set?.Invoke(options);
        MemoryHost host = Network.AddHost(ip: ip);
        KadNode node = new(host, new KademliaDht(host, options, Time));
        node.Dht.Start();
        Nodes.Add(node);
        return node;
    }

    /// <summary>Adds nodes, bootstraps them one after the other, and lets tables settle.</summary>
    public async Task GrowAsync(int count, Action<KadOptions>? set = null)
    {
        for (int i = 0; i < count; i++)
        {
            KadNode node = Add(set: set);
            await Time.RunAsync(node.Dht.BootstrapAsync());
        }

        await Time.PassAsync(TimeSpan.FromMinutes(11), TimeSpan.FromSeconds(10));
    }

    public IEnumerable<PeerId> TrueClosest(byte[] key, int count) =>
        Nodes.Where(node => node.Dht.Mode == KadMode.Server).Select(node => node.Host.LocalPeer)
            .OrderBy(peer => KadId.Of(peer).DistanceTo(KadId.Of(key))).Take(count);

    public async ValueTask DisposeAsync()
    {
        foreach (KadNode node in Nodes)
        {
            await node.Dht.DisposeAsync();
        }

        await Network.DisposeAsync();
    }
}

internal sealed record KadNode(MemoryHost Host, KademliaDht Dht)
{
    public async Task<List<KadPeer>> FindProvidersAsync(byte[] key, int limit = int.MaxValue)
    {
        List<KadPeer> found = [];
        await foreach (KadPeer provider in Dht.FindProvidersAsync(key, limit))
        {
            found.Add(provider);
        }

        return found;
    }
}

/// <summary>Values are a version byte and anything else; the higher version wins. Version 0 is invalid.</summary>
internal sealed class HigherVersionValidator : IKadValidator
{
    public bool Validate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => value.Length > 0 && value[0] > 0;

    public bool IsBetter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> candidate, ReadOnlySpan<byte> current) => candidate[0] > current[0];
}
