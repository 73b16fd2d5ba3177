using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>One DHT of our nodes and js-libp2p nodes: provide, find providers, put, get and find peer in both directions.</summary>
[Category("Interop")]
public sealed class JsKadTests
{
    private const string Protocol = "/cocoon/test/kad/1.0.0";

    private static readonly byte[] _content = Multihash.Sha256("content"u8);

    private readonly List<IAsyncDisposable> _started = [];

    [TearDown]
    public async Task StopAsync()
    {
        foreach (IAsyncDisposable item in Enumerable.Reverse(_started))
        {
            await item.DisposeAsync();
        }

        _started.Clear();
    }

    [Test, CancelAfter(120_000)]
    public async Task ProvidersOfEachSide_AreFoundByTheOther(CancellationToken cancellationToken)
    {
        (JsPeer js, JsPeer otherJs, Libp2pHost host, KademliaDht dht) = await StartAsync(cancellationToken);
        int holders = await dht.ProvideAsync(_content, cancellationToken);
        JsonElement byJs = await otherJs.CallAsync(
            "find_providers", new() { ["key"] = Convert.ToHexStringLower(_content), ["count"] = 1 }, cancellationToken);

        byte[] jsContent = Multihash.Sha256("js content"u8);
        await otherJs.CallAsync("provide", new() { ["key"] = Convert.ToHexStringLower(jsContent) }, cancellationToken);
        List<KadPeer> byUs = [];
        await foreach (KadPeer provider in dht.FindProvidersAsync(jsContent, limit: 1, cancellationToken))
        {
            byUs.Add(provider);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(holders, Is.EqualTo(2), "both js peers");
            Assert.That(byJs.GetProperty("providers")[0].GetProperty("peer_id").GetString(), Is.EqualTo(host.LocalPeer.ToString()));
            Assert.That(byUs.Select(provider => provider.Peer), Is.EqualTo(new[] { otherJs.PeerId }));
            Assert.That(js.PeerId, Is.Not.EqualTo(otherJs.PeerId));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task ValuesOfEachSide_AreReadByTheOther(CancellationToken cancellationToken)
    {
        (_, JsPeer js, _, KademliaDht dht) = await StartAsync(cancellationToken);
        int stored = await dht.PutValueAsync("/cocoon/ours"u8.ToArray(), new byte[] { 1, 2, 3 }, cancellationToken);
        JsonElement byJs = await js.CallAsync("get", new() { ["key"] = "/cocoon/ours" }, cancellationToken);
        await js.CallAsync("put", new() { ["key"] = "/cocoon/theirs", ["value"] = "040506" }, cancellationToken);
        ReadOnlyMemory<byte>? byUs = await dht.GetValueAsync(Encoding.ASCII.GetBytes("/cocoon/theirs"), cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stored, Is.EqualTo(2));
            Assert.That(byJs.GetProperty("value").GetString(), Is.EqualTo("010203"));
            Assert.That(byUs?.ToArray(), Is.EqualTo(new byte[] { 4, 5, 6 }));
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task PeersOfEachSide_AreFoundByTheOther(CancellationToken cancellationToken)
    {
        (JsPeer js, JsPeer otherJs, Libp2pHost host, KademliaDht dht) = await StartAsync(cancellationToken);

        // The second host knows only the first js peer, the second js peer only the same.
        Libp2pHost second = await TestHosts.StartAsync();
        _started.Add(second);
        KademliaDht secondDht = Serve(second, js);
        await secondDht.BootstrapAsync(cancellationToken);
        KadPeer? found = await secondDht.FindPeerAsync(host.LocalPeer, cancellationToken);
        JsonElement byJs = await otherJs.CallAsync("find_peer", new() { ["peer"] = second.LocalPeer.ToString() }, cancellationToken);
        KadPeer? js2 = await secondDht.FindPeerAsync(otherJs.PeerId, cancellationToken);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found?.Addresses, Does.Contain(host.Addresses[0]));
            Assert.That(byJs.GetProperty("peer_id").GetString(), Is.EqualTo(second.LocalPeer.ToString()));
            Assert.That(js2?.Addresses.Select(address => address.WithoutPeer()), Does.Contain(otherJs.Address.WithoutPeer()));
            Assert.That(dht.PeerCount, Is.GreaterThanOrEqualTo(2));
        }
    }

    /// <summary>Two js servers that know each other, and a server of ours that knows the first.</summary>
    private async Task<(JsPeer Js, JsPeer OtherJs, Libp2pHost Host, KademliaDht Dht)> StartAsync(CancellationToken cancellationToken)
    {
        string[] arguments = ["--kad-protocol", Protocol, "--value-ns", "cocoon"];
        JsPeer js = await JsPeer.StartAsync(cancellationToken, arguments);
        _started.Add(js);
        JsPeer otherJs = await JsPeer.StartAsync(cancellationToken, arguments);
        _started.Add(otherJs);
        await otherJs.CallAsync("dial", new() { ["addr"] = js.Address.ToString() }, cancellationToken);
        Libp2pHost host = await TestHosts.StartAsync();
        _started.Add(host);
        KademliaDht dht = Serve(host, js);
        await dht.BootstrapAsync(cancellationToken);
        await JoinedAsync(host, dht, [js.PeerId, otherJs.PeerId], cancellationToken);
        return (js, otherJs, host, dht);
    }

    private KademliaDht Serve(Libp2pHost host, JsPeer bootstrap)
    {
        KadOptions options = new() { Protocol = Protocol, Mode = KadMode.Server, AllowLocalAddresses = true };
        options.BootstrapPeers.Add(bootstrap.Address);
        options.Validators.Add("cocoon", new AnyValue());
        KademliaDht dht = new(host, options);
        _started.Add(dht);
        dht.Start();
        return dht;
    }

    /// <summary>js peers take their time to admit each other, so lookups are repeated until both answer.</summary>
    private static async Task JoinedAsync(Libp2pHost host, KademliaDht dht, PeerId[] peers, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(200));
        while (!peers.All(peer => dht.Snapshot().Buckets.Any(bucket => bucket.Peers.Any(entry => entry.Peer == peer))))
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            await dht.ClosestPeersAsync(host.LocalPeer.Memory, cancellationToken);
        }
    }

    private sealed class AnyValue : IKadValidator
    {
        public bool Validate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => true;

        public bool IsBetter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> candidate, ReadOnlySpan<byte> current) => false;
    }
}
