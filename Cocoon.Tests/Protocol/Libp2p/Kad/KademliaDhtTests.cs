using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

[CancelAfter(60_000)]
public sealed class KademliaDhtTests
{
    private static readonly byte[] _model = Multihash.Sha256("a model"u8);
    private static readonly byte[] _key = "/cocoon/key"u8.ToArray();

    [Test]
    public async Task Network_OfThirtyNodes_FindsEveryPeerAndTheTrueClosest()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(30);
        KadNode newcomer = network.Add(KadMode.Client);
        int known = await network.Time.RunAsync(newcomer.Dht.BootstrapAsync());
        foreach (KadNode node in network.Nodes.Take(30))
        {
            KadPeer? found = await network.Time.RunAsync(newcomer.Dht.FindPeerAsync(node.Host.LocalPeer));
            Assert.That(found?.Addresses, Is.EqualTo(new[] { node.Host.Address }));
        }

        for (int i = 0; i < 10; i++)
        {
            byte[] key = BitConverter.GetBytes(i);
            Assert.That(await network.Time.RunAsync(newcomer.Dht.ClosestPeersAsync(key)), Is.EqualTo(network.TrueClosest(key, 20)));
        }

        Assert.That(known, Is.InRange(15, 30));
    }

    [Test]
    public async Task FindPeer_ThatDoesNotExist_IsNull()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(5);
        PeerId nobody = new MemoryNetwork().AddHost().LocalPeer;
        Assert.That(await network.Time.RunAsync(network.Nodes[2].Dht.FindPeerAsync(nobody)), Is.Null);
    }

    [Test]
    public async Task FindPeer_InClientMode_IsFoundThroughWhoIsConnected()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(6);
        KadNode client = network.Add(KadMode.Client);
        await network.Time.RunAsync(client.Dht.BootstrapAsync());
        KadPeer? found = await network.Time.RunAsync(network.Nodes[4].Dht.FindPeerAsync(client.Host.LocalPeer));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found?.Addresses, Is.EqualTo(new[] { client.Host.Address }));
            Assert.That(
                network.Nodes.SelectMany(node => node.Dht.Snapshot().Buckets).SelectMany(bucket => bucket.Peers).Select(entry => entry.Peer),
                Does.Not.Contain(client.Host.LocalPeer),
                "clients are in nobody's table");
        }
    }

    [Test]
    public async Task Provide_IsFoundByEveryNode_AndWithdrawnByTime()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(30, RareRefresh);
        KadNode first = network.Nodes[3], second = network.Nodes[17];
        int holders = await network.Time.RunAsync(first.Dht.ProvideAsync(_model));
        await network.Time.RunAsync(second.Dht.ProvideAsync(_model));
        KadNode client = network.Add(KadMode.Client, RareRefresh);
        await network.Time.RunAsync(client.Dht.BootstrapAsync());
        foreach (KadNode node in network.Nodes.Where(node => node != first && node != second))
        {
            List<KadPeer> found = await network.Time.RunAsync(node.FindProvidersAsync(_model));
            Assert.That(found.Select(peer => peer.Peer), Is.EquivalentTo(new[] { first.Host.LocalPeer, second.Host.LocalPeer }));
            Assert.That(found.All(peer => peer.Addresses.Count == 1));
        }

        List<KadPeer> one = await network.Time.RunAsync(client.FindProvidersAsync(_model, limit: 1));
        Assert.That(holders, Is.EqualTo(20));
        Assert.That(one, Has.Count.EqualTo(1));

        first.Dht.StopProviding(_model);
        await network.Time.PassAsync(TimeSpan.FromHours(49), TimeSpan.FromMinutes(20));
        List<KadPeer> late = await network.Time.RunAsync(client.FindProvidersAsync(_model));
        Assert.That(late.Select(peer => peer.Peer), Is.EqualTo(new[] { second.Host.LocalPeer }), "the other one published again");
    }

    [Test]
    public async Task Provide_IntoAFormingNetwork_IsRepeatedAsItGrows()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        KadNode bootstrap = network.Add(), provider = network.Add();
        await network.Time.RunAsync(provider.Dht.BootstrapAsync());
        int holders = await network.Time.RunAsync(provider.Dht.ProvideAsync(_model));
        await network.GrowAsync(10);
        Assert.That(holders, Is.EqualTo(1));
        Assert.That(network.Nodes.Count(node => node.Dht.Snapshot().ProviderKeys == 1), Is.EqualTo(12));
        Assert.That(bootstrap.Dht.PeerCount, Is.EqualTo(11));
    }

    [Test]
    public async Task Values_AreStoredFoundAndReplacedByTheBetter()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(30);
        int stored = await network.Time.RunAsync(network.Nodes[1].Dht.PutValueAsync(_key, new byte[] { 1, 65 }));
        ReadOnlyMemory<byte>? one = await network.Time.RunAsync(network.Nodes[20].Dht.GetValueAsync(_key));
        await network.Time.RunAsync(network.Nodes[2].Dht.PutValueAsync(_key, new byte[] { 2, 66 }));
        ReadOnlyMemory<byte>? two = await network.Time.RunAsync(network.Nodes[20].Dht.GetValueAsync(_key));
        int outdated = await network.Time.RunAsync(network.Nodes[5].Dht.PutValueAsync(_key, new byte[] { 1, 67 }));
        ReadOnlyMemory<byte>? still = await network.Time.RunAsync(network.Nodes[21].Dht.GetValueAsync(_key));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stored, Is.EqualTo(20));
            Assert.That(one?.ToArray(), Is.EqualTo(new byte[] { 1, 65 }));
            Assert.That(two?.ToArray(), Is.EqualTo(new byte[] { 2, 66 }));
            Assert.That(outdated, Is.LessThanOrEqualTo(2), "only by who was just outside the nearest before");
            Assert.That(still?.ToArray(), Is.EqualTo(new byte[] { 2, 66 }));
        }
    }

    [Test]
    public async Task GetValue_CorrectsHoldersOfAWorseValue()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(4);
        await network.Time.RunAsync(network.Nodes[1].Dht.PutValueAsync(_key, new byte[] { 1 }));

        // Only one node gets the better value, as if the others had been away.
        MemoryHost writer = network.Network.AddHost();
        KadRpc rpc = new(writer, new KadOptions { Protocol = KadNetwork.Protocol }, network.Time);
        writer.AddAddresses(network.Nodes[3].Host.LocalPeer, network.Nodes[3].Host.Addresses, TimeSpan.FromHours(1));
        await network.Time.RunAsync(rpc.AskAsync(
            network.Nodes[3].Host.LocalPeer,
            new KadMessage(KadMessageType.PutValue) { Key = _key, Record = new KadRecord(_key, new byte[] { 9 }) },
            CancellationToken.None).AsTask());
        ReadOnlyMemory<byte>? best = await network.Time.RunAsync(network.Nodes[0].Dht.GetValueAsync(_key));
        Assert.That(best?.ToArray(), Is.EqualTo(new byte[] { 9 }));
        foreach (KadNode node in network.Nodes.Skip(1))
        {
            writer.AddAddresses(node.Host.LocalPeer, node.Host.Addresses, TimeSpan.FromHours(1));
            KadMessage answer = await network.Time.RunAsync(rpc.AskAsync(
                node.Host.LocalPeer, new KadMessage(KadMessageType.GetValue) { Key = _key }, CancellationToken.None).AsTask());
            Assert.That(answer.Record!.Value.ToArray(), Is.EqualTo(new byte[] { 9 }));
        }
    }

    [Test]
    public async Task Values_OutsideANamespaceOrInvalid_AreRefused()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(2);
        KademliaDht dht = network.Nodes[0].Dht;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(async () => await dht.PutValueAsync("/other/key"u8.ToArray(), new byte[] { 1 }), Throws.ArgumentException);
            Assert.That(async () => await dht.PutValueAsync(_key, new byte[] { 0 }), Throws.ArgumentException);
            Assert.That(async () => await dht.PutValueAsync(_key, new byte[(16 << 10) + 1]), Throws.ArgumentException);
            Assert.That(async () => await dht.ProvideAsync("not a multihash"u8.ToArray()), Throws.ArgumentException);
        }
    }

    [Test]
    public async Task Values_ExpireUnlessTheirOwnerPublishesAgain()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(4, RareRefresh);
        await network.Time.RunAsync(network.Nodes[1].Dht.PutValueAsync(_key, new byte[] { 1 }));
        await network.Time.PassAsync(TimeSpan.FromHours(60), TimeSpan.FromMinutes(20));
        ReadOnlyMemory<byte>? kept = await network.Time.RunAsync(network.Nodes[3].Dht.GetValueAsync(_key));
        Assert.That(kept, Is.Not.Null);
        await network.Nodes[1].Dht.DisposeAsync();
        await network.Nodes[1].Host.DisposeAsync();
        await network.Time.PassAsync(TimeSpan.FromHours(49), TimeSpan.FromMinutes(20));
        Assert.That(await network.Time.RunAsync(network.Nodes[3].Dht.GetValueAsync(_key)), Is.Null);
        Assert.That(network.Nodes[3].Dht.Snapshot().Records, Is.Zero);
    }

    [Test]
    public async Task Neighbours_OfAServer_AreProtectedFromTrimming()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(30, options => options.BucketSize = 4);
        KadNode node = network.Nodes[7];
        KadId own = KadId.Of(node.Host.LocalPeer);
        List<PeerId> others = [.. network.TrueClosest(node.Host.LocalPeer.ToArray(), 30).Where(peer => peer != node.Host.LocalPeer)];

        // A bucket that more than four peers would fit keeps those it met first: of all deeper ones the whole of its peers is known.
        int crowded = others.Select(peer => KadId.Of(peer).CommonPrefixLength(own)).GroupBy(length => length).Where(bucket => bucket.Count() > 4).Max(bucket => bucket.Key);
        List<PeerId> certain = [.. others.Where(peer => KadId.Of(peer).CommonPrefixLength(own) > crowded).Take(4)];
        await network.Time.PassAsync(TimeSpan.FromSeconds(31), TimeSpan.FromSeconds(1));
        List<PeerId> isProtected = [.. node.Host.Protected.Keys.Select(item => item.Peer)];
        HashSet<PeerId> known = [.. node.Dht.Snapshot().Buckets.SelectMany(bucket => bucket.Peers).Select(entry => entry.Peer)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(isProtected, Is.EquivalentTo(others.Where(known.Contains).Take(4)), "the four nearest that it knows");
            Assert.That(isProtected, Is.SupersetOf(certain));
            Assert.That(
                isProtected.Except(certain).Select(peer => KadId.Of(peer).CommonPrefixLength(own)), Is.All.EqualTo(crowded), "the next bucket fills the places");
        }

        node.Dht.SetMode(KadMode.Client);
        await network.Time.PassAsync(TimeSpan.FromSeconds(31), TimeSpan.FromSeconds(1));
        Assert.That(node.Host.Protected, Is.Empty);
    }

    [Test]
    public async Task DeadPeers_LeaveTheTables()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(12);
        List<KadNode> dead = network.Nodes.GetRange(6, 6);
        foreach (KadNode node in dead)
        {
            await node.Dht.DisposeAsync();
            await node.Host.DisposeAsync();
        }

        await network.Time.PassAsync(TimeSpan.FromMinutes(45), TimeSpan.FromSeconds(10));
        foreach (KadNode node in network.Nodes.Take(6))
        {
            Assert.That(node.Dht.PeerCount, Is.EqualTo(5));
        }
    }

    [Test]
    public async Task SetMode_MovesAPeerInAndOutOfTables()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(3);
        KadNode client = network.Add(KadMode.Client);
        await network.Time.RunAsync(client.Dht.BootstrapAsync());
        int before = network.Nodes[0].Dht.PeerCount;
        client.Dht.SetMode(KadMode.Server);
        await network.Time.UntilAsync(() => network.Nodes[0].Dht.PeerCount == 3, "it is admitted");
        client.Dht.SetMode(KadMode.Client);
        await network.Time.UntilAsync(() => network.Nodes[0].Dht.PeerCount == 2, "it is dropped");
        Assert.That(before, Is.EqualTo(2));
    }

    [Test]
    public async Task Bootstrap_WithoutAnybody_IsRepeatedUntilSomebodyIsThere()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        KadNode bootstrap = network.Add();
        bootstrap.Host.IsDialable = false;
        KadNode node = network.Add();
        int known = await network.Time.RunAsync(node.Dht.BootstrapAsync());
        bootstrap.Host.IsDialable = true;
        await network.Time.UntilAsync(() => node.Dht.PeerCount == 1, "the second attempt", TimeSpan.FromMinutes(2), TimeSpan.FromSeconds(1));
        Assert.That(known, Is.Zero);
    }

    /// <summary>For tests over days, which are about records.</summary>
    private static void RareRefresh(KadOptions options)
    {
        options.RefreshInterval = TimeSpan.FromHours(12);
        options.MaintenanceInterval = TimeSpan.FromMinutes(10);
    }
}
