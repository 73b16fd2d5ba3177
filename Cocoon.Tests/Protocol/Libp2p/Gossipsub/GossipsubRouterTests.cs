using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

[CancelAfter(60_000)]
public sealed class GossipsubRouterTests
{
    [Test]
    public async Task Network_OfThirtyNodes_DeliversEverythingOnceAndKeepsItsDegree()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        for (int i = 0; i < 30; i++)
        {
            await network.Add(options => options.FloodPublish = false).SubscribeAsync();
        }

        await network.ConnectRandomlyAsync(8);
        await network.Time.UntilAsync(() => network.Nodes.All(node => node.MeshSize >= 4), "every mesh reaches its lower degree");
        await network.Time.PassAsync(TimeSpan.FromSeconds(3));
        for (int i = 0; i < 20; i++)
        {
            await network.Nodes[i].PublishAsync($"message {i}");
        }

        await network.Time.UntilAsync(() => network.Nodes.All(node => node.Received.Count >= 19), "all messages reach all");
        await network.Time.PassAsync(TimeSpan.FromSeconds(5));
        using (Assert.EnterMultipleScope())
        {
            foreach (GossipNode node in network.Nodes)
            {
                Assert.That(node.MeshSize, Is.InRange(4, 13));
                Assert.That(node.Texts, Is.Unique);
                Assert.That(node.Received, Has.Count.EqualTo(network.Nodes.IndexOf(node) < 20 ? 19 : 20));
            }

            Assert.That(network.Nodes.Sum(node => node.Router.Snapshot().Counts.Penalties), Is.Zero, "honest peers are not penalised");
        }
    }

    [Test]
    public async Task Streams_OnceThereAreEnoughPeers_AreOpenedToConnectionsThatLast()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode centre = await network.AddSubscribedAsync();
        for (int i = 0; i < 13; i++)
        {
            GossipNode node = await network.AddSubscribedAsync();
            await network.ConnectAsync(node.Host, centre.Host);
        }

        await network.Time.UntilAsync(() => centre.MeshSize >= 4, "the mesh has its peers");
        RawGossipPeer quiet = new(network), passing = new(network), speaking = new(network), wanted = new(network);
        foreach (RawGossipPeer peer in new[] { quiet, passing, speaking, wanted })
        {
            await network.ConnectAsync(peer.Host, centre.Host);
        }

        await speaking.OpenAsync(centre);
        centre.Router.Attend(wanted.Peer);
        centre.Router.Attend(centre.Host.LocalPeer);
        await network.Time.PassAsync(TimeSpan.FromSeconds(20));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(quiet.Heard, Is.Empty, "a connection may have been made for one request");
            Assert.That(speaking.Heard, Is.Not.Empty, "who opens a stream gets one");
            Assert.That(wanted.Heard, Is.Not.Empty, "who is asked for gets one");
        }

        await passing.Host.DisconnectAsync(centre.Host.LocalPeer);
        await network.Time.UntilAsync(() => !quiet.Heard.IsEmpty, "a lasting connection gets its stream");
        Assert.That(passing.Heard, Is.Empty);
    }

    /// <summary>gossipsub 1.1, opportunistic grafting: a mesh that brings nothing takes in peers that do.</summary>
    [Test]
    public async Task Mesh_WhoseMedianScoreIsLow_TakesInTwoThatBringMore()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode centre = await network.AddSubscribedAsync(options => options.OpportunisticGraftTicks = 20);
        for (int i = 0; i < 8; i++)
        {
            GossipNode node = await network.AddSubscribedAsync();
            await network.ConnectAsync(node.Host, centre.Host);
        }

        await network.Time.UntilAsync(() => centre.MeshSize == 8, "all of them are in the mesh");
        RawGossipPeer[] bringing = [new(network), new(network), new(network)];
        RawGossipPeer silent = new(network);
        foreach (RawGossipPeer peer in (RawGossipPeer[])[.. bringing, silent])
        {
            await peer.ConnectAsync(centre);
        }

        Assert.That(bringing.Append(silent).Count(IsGrafted), Is.Zero, "the mesh is large enough");
        for (ulong second = 1; second <= 20; second++)
        {
            foreach (RawGossipPeer peer in bringing)
            {
                await peer.SendMessageAsync(peer.Message($"news {second}", second));
            }

            await network.Time.PassAsync(TimeSpan.FromSeconds(1));
        }

        Assert.That((bringing.Count(IsGrafted), IsGrafted(silent)), Is.EqualTo((2, false)));

        static bool IsGrafted(RawGossipPeer peer) => peer.Heard.Any(rpc => rpc.Graft.Count > 0);
    }

    [Test]
    public async Task Mesh_WithTooManyPeers_IsTrimmedToTheDegree()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode centre = await network.AddSubscribedAsync();
        for (int i = 0; i < 25; i++)
        {
            GossipNode node = await network.AddSubscribedAsync();
            await network.ConnectAsync(i % 2 == 0 ? node.Host : centre.Host, i % 2 == 0 ? centre.Host : node.Host);
        }

        int largest = 0;
        for (int i = 0; i < 20; i++)
        {
            await network.Time.PassAsync(TimeSpan.FromSeconds(1));
            largest = Math.Max(largest, centre.MeshSize);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(centre.MeshSize, Is.InRange(4, 12));
            Assert.That(largest, Is.LessThanOrEqualTo(25));
        }
    }

    /// <summary>As the users of a rare model, who know none but one of its providers.</summary>
    [Test]
    public async Task Subscribers_WhomAFullMeshRefuses_HearEveryMessageByGossip()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode centre = await network.AddSubscribedAsync(), publisher = network.Add();
        await publisher.SubscribeAsync();
        await network.ConnectAsync(centre.Host, publisher.Host);
        List<GossipNode> others = [];
        for (int i = 0; i < 40; i++)
        {
            GossipNode node = await network.AddSubscribedAsync();
            await network.ConnectAsync(node.Host, centre.Host);
            others.Add(node);
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(5));
        Assert.That(others.Count(node => node.MeshSize == 0), Is.GreaterThan(20));
        for (int i = 0; i < 15; i++)
        {
            await publisher.PublishAsync($"message {i}");
            await network.Time.PassAsync(TimeSpan.FromSeconds(1));
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(3));
        Assert.That(others.Select(node => node.Received.Count), Is.All.EqualTo(15));
        Assert.That(others.Select(node => node.Texts), Is.All.Unique);
        Assert.That(network.Nodes.Sum(node => node.Router.Snapshot().Counts.Penalties), Is.Zero);
    }

    [Test]
    public async Task Message_ToAPeerOutsideTheMesh_ComesByGossip()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode publisher = network.Add(options => options.FloodPublish = false);
        RawGossipPeer late = new(network);
        await publisher.SubscribeAsync();
        await publisher.PublishAsync("early");
        await late.ConnectAsync(publisher);
        await late.SendControlAsync(control => GossipRpcWriter.WritePrune(control, GossipNetwork.Topic, TimeSpan.FromMinutes(1)));
        await network.Time.UntilAsync(() => late.Heard.Any(rpc => rpc.IHave.Count > 0), "IHAVE");
        MessageId id = late.Heard.SelectMany(rpc => rpc.IHave).SelectMany(have => have.Ids).First();
        for (int i = 0; i < 10; i++)
        {
            await late.SendControlAsync(control => GossipRpcWriter.WriteIWant(control, [id]));
            await VirtualTime.SettleAsync();
        }

        await network.Time.UntilAsync(() => late.Messages.Any(), "the message");
        await network.Time.PassAsync(TimeSpan.FromSeconds(1));
        Assert.That(late.Messages.Count(), Is.EqualTo(3), "an id is served three times, not ten");
    }

    [Test]
    public async Task LateSubscriber_AsksForWhatWasAnnounced()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        GossipMessage message = peer.Message("lazy", 1);
        await peer.SendControlAsync(control => GossipRpcWriter.WriteIHave(control, GossipNetwork.Topic, [message.Id]));
        await network.Time.UntilAsync(() => peer.Heard.SelectMany(rpc => rpc.IWant).Contains(message.Id), "IWANT");
        await peer.SendMessageAsync(message);
        await network.Time.UntilAsync(() => node.Texts.Contains("lazy"), "delivery");
        await network.Time.PassAsync(TimeSpan.FromSeconds(5));
        Assert.That(node.Router.Snapshot().Counts.Penalties, Is.Zero, "the promise was kept");
    }

    [Test]
    public async Task Rejected_IsNotForwardedAndCostsTheSender_IgnoredCostsNothing()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = network.Add(), behind = network.Add();
        await behind.SubscribeAsync();
        await node.SubscribeAsync(validate: message => message.Data.Span[0] switch
        {
            (byte)'r' => ValidationResult.Reject,
            (byte)'i' => ValidationResult.Ignore,
            _ => ValidationResult.Accept,
        });
        await network.ConnectAsync(node.Host, behind.Host);
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 2 && behind.MeshSize == 1, "the mesh");

        await peer.SendMessageAsync(peer.Message("ignored", 1));
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Ignored == 1, "ignored");
        double afterIgnore = node.Router.ScoreOf(peer.Peer);
        await peer.SendMessageAsync(peer.Message("rejected", 2));
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Rejected == 1, "rejected");
        double afterReject = node.Router.ScoreOf(peer.Peer);
        await peer.SendMessageAsync(peer.Message("accepted", 3));
        await network.Time.UntilAsync(() => behind.Received.Count == 1, "forwarded");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(afterIgnore, Is.GreaterThanOrEqualTo(0));
            Assert.That(afterReject, Is.LessThan(-5));
            Assert.That(node.Texts, Is.EqualTo(new[] { "accepted" }));
            Assert.That(behind.Texts, Is.EqualTo(new[] { "accepted" }));
        }
    }

    [Test]
    public async Task SlowValidator_IsIgnoredAfterItsTime()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = network.Add(options => options.ValidationWorkers = 2);
        TaskCompletionSource never = new();
        await node.Router.SubscribeAsync(
            GossipNetwork.Topic,
            async (_, cancellationToken) =>
            {
                await never.Task.WaitAsync(cancellationToken);
                return ValidationResult.Accept;
            },
            (_, _) => ValueTask.CompletedTask);
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await peer.SendMessageAsync(peer.Message("slow", 1));
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Ignored == 1, "ignored", TimeSpan.FromSeconds(8));
    }

    [Test]
    public async Task Publish_WithoutSubscription_ReachesSubscribersByFanout()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode publisher = network.Add(options => options.FloodPublish = false);
        for (int i = 0; i < 10; i++)
        {
            GossipNode node = await network.AddSubscribedAsync();
        }

        await network.ConnectRandomlyAsync(10);
        await network.Time.UntilAsync(() => network.Nodes.Skip(1).All(node => node.MeshSize >= 4), "meshes");
        int sent = await publisher.PublishAsync("fan");
        await network.Time.UntilAsync(() => network.Nodes.Skip(1).All(node => node.Received.Count == 1), "delivery");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sent, Is.EqualTo(6));
            Assert.That(publisher.TopicState()!.IsSubscribed, Is.False);
        }

        await network.Time.PassAsync(TimeSpan.FromSeconds(62), TimeSpan.FromSeconds(1));
        Assert.That(publisher.TopicState(), Is.Null, "the fanout ends 60 s after the last message");
    }

    [Test]
    public async Task FloodPublish_GoesToEverySubscriber()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode publisher = await network.AddSubscribedAsync();
        List<RawGossipPeer> peers = [];
        for (int i = 0; i < 15; i++)
        {
            peers.Add(new RawGossipPeer(network));
            await peers[^1].ConnectAsync(publisher);
        }

        await network.Time.UntilAsync(() => publisher.TopicState()!.Subscribers.Count == 15, "subscriptions");
        int sent = await publisher.PublishAsync("all");
        await network.Time.UntilAsync(() => peers.All(peer => peer.Messages.Count() == 1), "delivery");
        Assert.That(sent, Is.EqualTo(15));
    }

    [Test]
    public async Task LargeMessage_IsAnnouncedByIDontWant_AndHeedsIt()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer sender = new(network), other = new(network), old = new(network, GossipsubProtocol.V11);
        foreach (RawGossipPeer peer in new[] { sender, other, old })
        {
            await peer.ConnectAsync(node);
        }

        await network.Time.UntilAsync(() => node.MeshSize == 3, "mesh");
        GossipMessage large = sender.Message(new string('x', 2000), 1), second = sender.Message(new string('y', 2000), 2);
        await other.SendControlAsync(control => GossipRpcWriter.WriteIDontWant(control, [second.Id]));
        await VirtualTime.SettleAsync();
        await sender.SendMessageAsync(large);
        await sender.SendMessageAsync(second);
        await network.Time.UntilAsync(() => old.Messages.Count() == 2, "delivery to the older peer");
        await network.Time.PassAsync(TimeSpan.FromMilliseconds(500));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(other.Heard.SelectMany(rpc => rpc.IDontWant), Does.Contain(large.Id));
            Assert.That(other.Messages.Select(message => message.Id), Is.EqualTo(new[] { large.Id }), "it did not want the second");
            Assert.That(old.Heard.SelectMany(rpc => rpc.IDontWant), Is.Empty, "1.1 does not know it");
            Assert.That(sender.Heard.SelectMany(rpc => rpc.IDontWant), Is.Empty, "the sender has it");
        }
    }

    [Test]
    public async Task Mesh_IsProtectedFromTrimming_WhileItLasts()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode[] nodes = [.. Enumerable.Range(0, 4).Select(_ => network.Add())];
        IAsyncDisposable[] subscriptions = [.. await Task.WhenAll(nodes.Select(node => node.SubscribeAsync()))];
        await network.ConnectRandomlyAsync(3);
        await network.Time.UntilAsync(() => nodes[0].MeshSize == 3, "a mesh");
        Assert.That(
            nodes[0].Host.Protected.Keys.Select(item => item.Peer), Is.EquivalentTo(nodes[0].TopicState()!.Mesh), "each peer of the mesh, once for the topic");
        await subscriptions[0].DisposeAsync();
        Assert.That(nodes[0].Host.Protected, Is.Empty);
    }

    [Test]
    public async Task Unsubscribe_PrunesAndTellsEverybody()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = network.Add();
        IAsyncDisposable subscription = await node.SubscribeAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 1, "mesh");
        await subscription.DisposeAsync();
        await network.Time.UntilAsync(() => peer.Heard.Any(rpc => rpc.Prune.Count > 0), "PRUNE");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(peer.Heard.SelectMany(rpc => rpc.Prune).Single().Backoff, Is.EqualTo(TimeSpan.FromSeconds(10)));
            Assert.That(peer.Heard.SelectMany(rpc => rpc.Subscriptions).Last(), Is.EqualTo(new GossipSubscription(GossipNetwork.Topic, false)));
            Assert.That(node.TopicState(), Is.Null);
        }
    }

    [Test]
    public async Task Subscribe_TwiceToOneTopic_IsACallersError()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        Assert.That(async () => await node.SubscribeAsync(), Throws.InvalidOperationException);
        Assert.That(async () => await node.Router.PublishAsync("t", new byte[61 << 10]), Throws.ArgumentException);
    }

    [Test]
    public async Task OutboundStream_ThatIsReset_IsOpenedAgainWithAllSubscriptions()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        MemoryHost host = network.Network.AddHost();
        List<PeerId> opened = [];
        List<GossipSubscription> heard = [];
        host.Handle(GossipsubProtocol.V12, async (stream, cancellationToken) =>
        {
            opened.Add(stream.RemotePeer);
            byte[]? frame = await Cocoon.Protocol.Libp2p.LengthPrefixed.ReadAsync(stream, 1 << 20, cancellationToken);
            heard.AddRange(GossipRpcReader.Read(frame).Subscriptions);
            stream.Reset();
        });
        await network.ConnectAsync(node.Host, host);
        await network.Time.UntilAsync(() => opened.Count >= 3, "three attempts");
        Assert.That(heard.Take(2), Is.All.EqualTo(new GossipSubscription(GossipNetwork.Topic, true)));
    }
}
