using System.Net;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Kad;

/// <summary>What a peer can do against the DHT, and that it does not get far.</summary>
[CancelAfter(60_000)]
public sealed class KadHostileTests
{
    private static readonly byte[] _model = Multihash.Sha256("a model"u8);
    private static readonly byte[] _key = "/cocoon/key"u8.ToArray();
    private static readonly Multiaddr _madeUp = Multiaddr.Parse("/ip4/10.66.66.66/tcp/6666");

    private static async Task<(MemoryHost Host, KadRpc Rpc)> AttackerAsync(KadNetwork network)
    {
        MemoryHost host = network.Network.AddHost();
        foreach (KadNode node in network.Nodes)
        {
            host.AddAddresses(node.Host.LocalPeer, node.Host.Addresses, TimeSpan.FromHours(1));
            await host.ConnectAsync(node.Host.LocalPeer, CancellationToken.None);
        }

        return (host, new KadRpc(host, new KadOptions { Protocol = KadNetwork.Protocol }, network.Time));
    }

    [Test]
    public async Task AddProvider_ForSomebodyElse_IsNotStored()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(3);
        (_, KadRpc rpc) = await AttackerAsync(network);
        KadPeer victim = new(network.Nodes[2].Host.LocalPeer, network.Nodes[2].Host.Addresses);
        KadMessage message = new(KadMessageType.AddProvider) { Key = _model, ProviderPeers = [victim] };
        Task tell = rpc.AnnounceAsync(network.Nodes[0].Host.LocalPeer, message, victim.Peer, CancellationToken.None).AsTask();
        await network.Time.UntilAsync(() => tell.IsCompleted, "refusal");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tell.IsFaulted, "the stream is reset");
            Assert.That(network.Nodes[0].Dht.Snapshot().ProviderKeys, Is.Zero);
        }
    }

    /// <summary>An ADD_PROVIDER has no answer: who drops it in silence is no holder of the record.</summary>
    [Test]
    public async Task Provide_ToAPeerThatDropsTheRecord_IsNotCounted()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(4);
        network.Nodes[1].Host.Handle(KadNetwork.Protocol, DropAsync);
        int holders = await network.Time.RunAsync(network.Nodes[3].Dht.ProvideAsync(_model));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(holders, Is.EqualTo(2), "the other two");
            Assert.That(network.Nodes[1].Dht.Snapshot().ProviderKeys, Is.Zero);
        }

        static async Task DropAsync(IPeerStream stream, CancellationToken cancellationToken)
        {
            while (await LengthPrefixed.ReadAsync(stream, 64 << 10, cancellationToken) is { } frame)
            {
                if (KadMessageReader.Read(frame) is { Type: not KadMessageType.AddProvider } request)
                {
                    await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(new KadMessage(request.Type) { Key = request.Key }), cancellationToken);
                }
            }
        }
    }

    [TestCase("wrong key")]
    [TestCase("no record")]
    [TestCase("foreign namespace")]
    [TestCase("refused by the validator")]
    [TestCase("too large")]
    public async Task PutValue_ThatIsNotAllowed_ResetsTheStream(string what)
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(2);
        (_, KadRpc rpc) = await AttackerAsync(network);
        byte[] other = "/other/key"u8.ToArray();
        KadMessage message = new KadMessage(KadMessageType.PutValue) { Key = _key, Record = new KadRecord(_key, new byte[] { 1 }) };
        message = what switch
        {
            "wrong key" => message with { Record = new KadRecord("/cocoon/else"u8.ToArray(), new byte[] { 1 }) },
            "no record" => message with { Record = null },
            "foreign namespace" => message with { Key = other, Record = new KadRecord(other, new byte[] { 1 }) },
            "too large" => message with { Record = new KadRecord(_key, Enumerable.Repeat((byte)1, 17 << 10).ToArray()) },
            _ => message with { Record = new KadRecord(_key, new byte[] { 0 }) },
        };
        Task<KadMessage> put = rpc.AskAsync(network.Nodes[0].Host.LocalPeer, message, CancellationToken.None).AsTask();
        await network.Time.UntilAsync(() => put.IsCompleted, "refusal");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(put.IsFaulted);
            Assert.That(network.Nodes[0].Dht.Snapshot().Records, Is.Zero);
            Assert.That(network.Nodes[0].Host.HandlerFailures, Is.Empty);
        }
    }

    [TestCase("81800400")]
    [TestCase("03ffffff")]
    [TestCase("00")]
    public async Task Garbage_ResetsTheStreamOnly(string hex)
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(2);
        (MemoryHost attacker, KadRpc rpc) = await AttackerAsync(network);
        IPeerStream stream = await attacker.OpenStreamAsync(network.Nodes[0].Host.LocalPeer, [KadNetwork.Protocol], CancellationToken.None);
        await stream.WriteAsync(Convert.FromHexString(hex), CancellationToken.None);
        Task<byte[]?> read = LengthPrefixed.ReadAsync(stream, 1 << 16, CancellationToken.None).AsTask();
        await network.Time.UntilAsync(() => read.IsCompleted, "the reset");
        KadMessage answer = await network.Time.RunAsync(rpc.AskAsync(
            network.Nodes[0].Host.LocalPeer, new KadMessage(KadMessageType.FindNode) { Key = new byte[] { 1 } }, CancellationToken.None).AsTask());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.IsFaulted);
            Assert.That(answer.CloserPeers, Has.Count.EqualTo(1));
        }
    }

    [Test]
    public async Task SlowRequest_LosesItsStream()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(1);
        (MemoryHost attacker, _) = await AttackerAsync(network);
        IPeerStream stream = await attacker.OpenStreamAsync(network.Nodes[0].Host.LocalPeer, [KadNetwork.Protocol], CancellationToken.None);
        await stream.WriteAsync(new byte[] { 40, 8 }, CancellationToken.None);
        Task<int> read = stream.ReadAsync(new byte[1], CancellationToken.None).AsTask();
        await network.Time.UntilAsync(() => read.IsCompleted, "the reset", TimeSpan.FromSeconds(11));
        Assert.That(read.IsFaulted);
    }

    [Test]
    public async Task RequestFlood_IsCutOff_OthersAreServed()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(2);
        (_, KadRpc rpc) = await AttackerAsync(network);
        KadMessage request = new(KadMessageType.FindNode) { Key = new byte[] { 1 } };
        int served = 0;
        for (int i = 0; i < 150; i++)
        {
            try
            {
                await rpc.AskAsync(network.Nodes[0].Host.LocalPeer, request, CancellationToken.None);
                served++;
            }
            catch (IOException)
            {
            }
        }

        Assert.That(served, Is.EqualTo(100));
        Assert.That(await network.Time.RunAsync(network.Nodes[1].Dht.ClosestPeersAsync(new byte[] { 2 })), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Sybils_OfOneNetwork_GetThreePlaces()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        KadNode victim = network.Add(set: options => options.AllowLocalAddresses = false, ip: IPAddress.Parse("8.8.4.4"));
        for (int i = 0; i < 40; i++)
        {
            KadNode sybil = network.Add(set: options => options.AllowLocalAddresses = false, ip: new IPAddress([66, 66, (byte)i, 1]));
            await network.Time.RunAsync(sybil.Dht.BootstrapAsync());
        }

        KadNode honest = network.Add(set: options => options.AllowLocalAddresses = false, ip: IPAddress.Parse("77.1.2.3"));
        await network.Time.RunAsync(honest.Dht.BootstrapAsync());
        await network.Time.UntilAsync(() => victim.Dht.PeerCount == 4, "three Sybils and the honest one");
        await network.Time.PassAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(10));
        Assert.That(victim.Dht.PeerCount, Is.EqualTo(4));
    }

    [Test]
    public async Task Query_FedWithPeersOfOneNetwork_FollowsThreeOfThem()
    {
        await VirtualLoop.Enter();
        KadOptions options = new() { Protocol = "/x" };
        MemoryNetwork network = new();
        List<KadPeer> fed =
        [
            .. Enumerable.Range(1, 20).Select(i => new KadPeer(network.AddHost().LocalPeer, [Multiaddr.Parse($"/ip4/66.66.{i}.1/tcp/1")])),
            new KadPeer(network.AddHost().LocalPeer, [Multiaddr.Parse("/ip4/77.1.2.3/tcp/1")]),
        ];
        List<Cocoon.Protocol.Identity.PeerId> asked = [];
        KadQuery query = new(
            KadId.Of("t"u8),
            options,
            10,
            options.BucketSize,
            _ => true,
            (peer, _) =>
            {
                asked.Add(peer);
                return Task.FromResult<KadMessage?>(new KadMessage(KadMessageType.FindNode) { CloserPeers = fed });
            },
            (_, _) => false);
        KadQueryResult result = await query.RunAsync([network.AddHost().LocalPeer], CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(asked, Has.Count.EqualTo(5), "the seed, three of the network, the honest one");
            Assert.That(result.Closest.Max(peer => peer.Hops), Is.EqualTo(1));
        }
    }

    [Test]
    public async Task LyingPeers_OnOnePath_DoNotHideTheValue()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(12);
        await network.Time.RunAsync(network.Nodes[1].Dht.PutValueAsync(_key, new byte[] { 7 }));

        // A peer that answers every request with invented peers nearest to the key, and never with a record.
        MemoryHost liar = network.Network.AddHost();
        MemoryNetwork nowhere = new();
        List<KadPeer> invented = [.. Enumerable.Range(0, 20).Select(_ => nowhere.AddHost()).Select(host => new KadPeer(host.LocalPeer, host.Addresses))];
        liar.Handle(KadNetwork.Protocol, async (stream, cancellationToken) =>
        {
            while (await LengthPrefixed.ReadAsync(stream, 1 << 16, cancellationToken) is { } frame)
            {
                KadMessage request = KadMessageReader.Read(frame);
                await LengthPrefixed.WriteAsync(
                    stream, KadMessageWriter.Write(new KadMessage(request.Type) { Key = request.Key, CloserPeers = invented }), cancellationToken);
            }
        });
        foreach (KadNode node in network.Nodes)
        {
            liar.AddAddresses(node.Host.LocalPeer, node.Host.Addresses, TimeSpan.FromHours(1));
            await liar.ConnectAsync(node.Host.LocalPeer, CancellationToken.None);
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(5));
        KadNode reader = network.Add();
        await network.Time.RunAsync(reader.Dht.BootstrapAsync());
        ReadOnlyMemory<byte>? value = await network.Time.RunAsync(reader.Dht.GetValueAsync(_key));
        Assert.That(value?.ToArray(), Is.EqualTo(new byte[] { 7 }));
    }

    /// <summary>Who is asked first names the peer at an address where it is not: that is no end of the search.</summary>
    [Test]
    public async Task FindPeer_ThatSomebodyNamesAtAMadeUpAddress_GoesOnToTheRealOne()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(6);
        MemoryHost target = network.Nodes[3].Host;
        (MemoryHost host, KademliaDht dht) = NewWithALiarInItsTable(network, target);
        KadPeer? found = await network.Time.RunAsync(dht.FindPeerAsync(target.LocalPeer));
        await dht.DisposeAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found?.Addresses[0], Is.EqualTo(target.Address));
            Assert.That(host.Connections.Select(connection => connection.Peer), Does.Contain(target.LocalPeer));
        }
    }

    [Test]
    public async Task FindPeer_ThatNobodyReaches_IsWhatMostOthersSay()
    {
        await VirtualLoop.Enter();
        await using KadNetwork network = new();
        await network.GrowAsync(6);
        MemoryHost target = network.Nodes[3].Host;
        target.IsDialable = false;
        (MemoryHost host, KademliaDht dht) = NewWithALiarInItsTable(network, target);
        KadPeer? found = await network.Time.RunAsync(dht.FindPeerAsync(target.LocalPeer));
        await dht.DisposeAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found?.Addresses, Is.EqualTo(new[] { target.Address, _madeUp }));
            Assert.That(host.Connections.Select(connection => connection.Peer), Does.Not.Contain(target.LocalPeer));
        }
    }

    /// <summary>A node whose table holds one peer, which names the target at a made-up address, and three honest ones.</summary>
    private static (MemoryHost Host, KademliaDht Dht) NewWithALiarInItsTable(KadNetwork network, MemoryHost target)
    {
        MemoryHost host = network.Network.AddHost(), liar = network.Network.AddHost();
        KadPeer[] named = [new KadPeer(target.LocalPeer, [_madeUp]), .. network.Nodes.Take(3).Select(node => new KadPeer(node.Host.LocalPeer, node.Host.Addresses))];
        liar.Handle(KadNetwork.Protocol, async (stream, cancellationToken) =>
        {
            while (await LengthPrefixed.ReadAsync(stream, 1 << 16, cancellationToken) is { } frame)
            {
                KadMessage request = KadMessageReader.Read(frame);
                await LengthPrefixed.WriteAsync(stream, KadMessageWriter.Write(new KadMessage(request.Type) { Key = request.Key, CloserPeers = named }), cancellationToken);
            }
        });
        host.AddAddresses(liar.LocalPeer, liar.Addresses, TimeSpan.FromHours(1));
        KadOptions options = new() { Protocol = KadNetwork.Protocol, AllowLocalAddresses = true };
        RoutingTable table = new(host.LocalPeer, options.BucketSize, network.Time);
        table.TryAdd(liar.LocalPeer, group: null);
        return (host, new KademliaDht(host, options, table, network.Time));
    }
}
