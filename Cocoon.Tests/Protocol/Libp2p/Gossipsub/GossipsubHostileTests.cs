using System.Buffers;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

/// <summary>What a peer can do against the rules, and that it costs the peer and nobody else.</summary>
[CancelAfter(60_000)]
public sealed class GossipsubHostileTests
{
    /// <summary>Who asks for an hour in many names fills the table: what others asked for a minute is still obeyed, or they would lower our score.</summary>
    [Test]
    public void LongBackoffs_OfManyPeers_MakeNobodyElsesForgotten()
    {
        ManualTimeProvider time = new();
        PruneBackoffs backoffs = new(time);
        for (int i = 0; i < 20_000; i++)
        {
            backoffs.Add("topic", Peer(i), TimeSpan.FromHours(1));
        }

        for (int i = 20_000; i < 20_100; i++)
        {
            backoffs.Add("topic", Peer(i), TimeSpan.FromMinutes(1));
        }

        for (int i = 20_100; i < 40_000; i++)
        {
            backoffs.Add("topic", Peer(i), TimeSpan.FromHours(1));
        }

        Assert.That(Enumerable.Range(20_000, 100).All(i => backoffs.Until("topic", Peer(i)) == time.GetUtcNow() + TimeSpan.FromMinutes(1)));
        Assert.That(Enumerable.Range(0, 40_000).Count(i => backoffs.Until("topic", Peer(i)) is not null), Is.LessThanOrEqualTo(1 << 14));

        static PeerId Peer(int number)
        {
            PeerId.TryFromBytes(Multihash.Sha256(BitConverter.GetBytes(number)), out PeerId? peer);
            return peer!;
        }
    }

    [Test]
    public async Task ForgedMessage_IsRefused_AndDoesNotSuppressTheRealOne()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(), author = network.Add();
        RawGossipPeer forger = await network.ConnectRawAsync(node), honest = await network.ConnectRawAsync(node);
        GossipMessage real = MessageSigning.Create(author.Host.Key, GossipNetwork.Topic, "real"u8, 7);
        byte[] forged = real.Raw.ToArray();
        int at = forged.AsSpan().IndexOf("real"u8);
        "fake"u8.CopyTo(forged.AsSpan(at));
        await forger.SendMessageAsync(GossipRpcReader.ReadMessage(forged));
        await honest.SendMessageAsync(real);
        await network.Time.UntilAsync(() => !node.Received.IsEmpty, "the real message");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(node.Texts, Is.EqualTo(new[] { "real" }));
            Assert.That(node.Router.ScoreOf(forger.Peer), Is.LessThan(-5));
            Assert.That(node.Router.ScoreOf(honest.Peer), Is.GreaterThanOrEqualTo(0));
        }
    }

    /// <summary>The ids of a peer's messages follow each other: who forges the next one must not have our neighbours keep the real one from us.</summary>
    [Test]
    public async Task ForgedMessage_WithTheIdOfOneToCome_KeepsNobodyFromSendingIt()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(), author = network.Add();
        RawGossipPeer forger = await network.ConnectRawAsync(node), honest = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 2, "mesh");
        byte[] text = [.. Enumerable.Repeat((byte)'r', 2000)];
        GossipMessage real = MessageSigning.Create(author.Host.Key, GossipNetwork.Topic, text, 7);
        byte[] forged = real.Raw.ToArray();
        forged[forged.AsSpan().IndexOf(text)]++;
        await forger.SendMessageAsync(GossipRpcReader.ReadMessage(forged));
        await network.Time.PassAsync(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(100));
        Assert.That(honest.Heard.SelectMany(rpc => rpc.IDontWant), Is.Empty);
        await honest.SendMessageAsync(real);
        await network.Time.UntilAsync(() => !node.Received.IsEmpty, "the real message");
    }

    [Test]
    public async Task UnsignedMessages_EndInDisconnection_WhileHonestTrafficGoesOn()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(), honest = network.Add();
        await honest.SubscribeAsync();
        await network.ConnectAsync(honest.Host, node.Host);
        RawGossipPeer spammer = await network.ConnectRawAsync(node);
        byte[] unsigned = GossipRpcReader.ReadMessage(spammer.Message("spam", 1).Raw).Raw[..^66].ToArray();
        for (int i = 0; i < 10; i++)
        {
            await spammer.SendMessageAsync(GossipRpcReader.ReadMessage(unsigned));
        }

        await network.Time.UntilAsync(() => node.Host.Connections.All(c => c.Peer != spammer.Peer), "the spammer is dropped", TimeSpan.FromSeconds(5));
        await honest.PublishAsync("still here");
        await network.Time.UntilAsync(() => node.Texts.Contains("still here"), "honest traffic");

        await network.ConnectAsync(spammer.Host, node.Host);
        await network.Time.PassAsync(TimeSpan.FromSeconds(2));
        Assert.That(node.Router.ScoreOf(spammer.Peer), Is.LessThan(-80), "reconnecting washes nothing off");
        Assert.That(node.Router.Snapshot().Peers.Select(peer => peer.Peer), Does.Not.Contain(spammer.Peer));
    }

    [Test]
    public async Task GraftInsideTheBackoff_IsPunished()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 1, "mesh");
        await peer.SendControlAsync(control => GossipRpcWriter.WritePrune(control, GossipNetwork.Topic, TimeSpan.FromSeconds(60)));
        for (int i = 0; i < 8; i++)
        {
            await peer.SendControlAsync(control => GossipRpcWriter.WriteGraft(control, GossipNetwork.Topic));
            await VirtualTime.SettleAsync();
        }

        await network.Time.UntilAsync(() => peer.Heard.Any(rpc => rpc.Prune.Count > 0), "PRUNE");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(node.MeshSize, Is.Zero);
            Assert.That(node.Router.ScoreOf(peer.Peer), Is.LessThan(-80));
        }
    }

    /// <summary>Peer exchange is off: what a PRUNE brings of it is skipped, and its back-off is no way to shut somebody out for ever.</summary>
    [Test]
    public async Task PeerExchange_InAPrune_LeadsToNobody_AndItsBackoffEnds()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(), stranger = network.Add();
        await stranger.SubscribeAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 1, "mesh");
        byte[] named = stranger.Host.LocalPeer.Memory.ToArray();
        await peer.SendControlAsync(control =>
        {
            // PeerInfo { peerID 1, signedPeerRecord 2 }, as often as the frame takes it, and a back-off of 2^63 seconds.
            byte[] topic = System.Text.Encoding.UTF8.GetBytes(GossipNetwork.Topic);
            byte[] info = [0x12, (byte)(named.Length + 2), 0x0a, (byte)named.Length, .. named];
            byte[] prune = [0x0a, (byte)topic.Length, .. topic, .. Enumerable.Repeat(info, 2000).SelectMany(bytes => bytes), 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
            ProtobufWriter.WriteLengthPrefix(control, 4, prune.Length);
            control.Write(prune);
        });
        await network.Time.UntilAsync(() => node.MeshSize == 0, "PRUNE");
        await network.Time.PassAsync(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(node.Host.Connections.Select(c => c.Peer), Is.EqualTo(new[] { peer.Peer }), "nobody was dialled");
            Assert.That(node.Host.GetAddresses(stranger.Host.LocalPeer), Is.Empty);
            Assert.That(node.Router.ScoreOf(peer.Peer), Is.GreaterThanOrEqualTo(0), "older peers may send it: no offence");
        }

        await network.Time.PassAsync(TimeSpan.FromMinutes(62), TimeSpan.FromSeconds(10));
        await network.Time.UntilAsync(() => node.MeshSize == 1, "grafted again");
    }

    [Test]
    public async Task IDontWantFlood_IsHeededUpToItsBound()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(options => options.FloodPublish = false);
        RawGossipPeer flooder = await network.ConnectRawAsync(node), source = await network.ConnectRawAsync(node);
        await network.Time.UntilAsync(() => node.MeshSize == 2, "mesh");
        GossipMessage unwanted = source.Message("unwanted", 2), wanted = source.Message("wanted", 1);
        MessageId[] noise = [.. Enumerable.Range(0, 4000).Select(i => MessageId.Of(source.Peer.Memory.Span, BitConverter.GetBytes((ulong)i + 1000)))];
        foreach (MessageId[] some in noise.Prepend(unwanted.Id).Append(wanted.Id).Chunk(500))
        {
            await flooder.SendControlAsync(control => GossipRpcWriter.WriteIDontWant(control, some));
        }

        await VirtualTime.SettleAsync();
        await source.SendMessageAsync(unwanted);
        await source.SendMessageAsync(wanted);
        await network.Time.UntilAsync(() => flooder.Messages.Any(), "a message that was refused beyond the bound");
        Assert.That(node.Texts, Is.EqualTo(new[] { "unwanted", "wanted" }));
        Assert.That(flooder.Messages.Select(message => message.Id), Is.EqualTo(new[] { wanted.Id }), "what was refused within the bound does not come");
    }

    [Test]
    public async Task GraftOfUnknownTopics_IsIgnoredWithoutAnswer()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node, subscribe: false);
        await peer.SendControlAsync(control =>
        {
            for (int i = 0; i < 1000; i++)
            {
                GossipRpcWriter.WriteGraft(control, $"unknown/{i}");
            }
        });
        await network.Time.PassAsync(TimeSpan.FromSeconds(2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(peer.Heard.SelectMany(rpc => rpc.Prune), Is.Empty);
            Assert.That(node.Router.Snapshot().Topics, Has.Count.EqualTo(1));
            Assert.That(node.Router.Snapshot().Peers.Single().Topics, Is.Empty);
        }
    }

    [Test]
    public async Task IWantFlood_CostsLittleAndIsPenalised()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await node.PublishAsync("once");
        MessageId[] ids = [.. Enumerable.Range(0, 5000).Select(i => new MessageId(BitConverter.GetBytes(i)))];
        for (int i = 0; i < 5; i++)
        {
            await peer.SendControlAsync(control => GossipRpcWriter.WriteIWant(control, ids));
        }

        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Penalties >= 1, "penalty", TimeSpan.FromSeconds(2));
        Assert.That(node.Router.Snapshot().Counts.IWantServed, Is.Zero);
    }

    [Test]
    public async Task AnnouncedButNeverDelivered_IsABrokenPromise()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer liar = await network.ConnectRawAsync(node);
        for (int round = 0; round < 20; round++)
        {
            MessageId[] ids = [.. Enumerable.Range(0, 10).Select(i => new MessageId([(byte)round, (byte)i]))];
            await liar.SendControlAsync(control => GossipRpcWriter.WriteIHave(control, GossipNetwork.Topic, ids));
            await network.Time.PassAsync(TimeSpan.FromMilliseconds(200));
        }

        await network.Time.UntilAsync(() => node.Router.ScoreOf(liar.Peer) < -10, "P7", TimeSpan.FromSeconds(6));
    }

    [Test]
    public async Task IHaveFlood_AsksForABoundedNumber()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync(options => options.MaxIHaveIds = 100);
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        for (int round = 0; round < 15; round++)
        {
            MessageId[] ids = [.. Enumerable.Range(0, 50).Select(i => new MessageId([(byte)round, (byte)i]))];
            await peer.SendControlAsync(control => GossipRpcWriter.WriteIHave(control, GossipNetwork.Topic, ids));
        }

        await VirtualTime.SettleAsync();
        Assert.That(node.Router.Snapshot().Counts.IWantSent, Is.LessThanOrEqualTo(100));
    }

    [Test]
    public async Task OversizedOrMalformedFrame_ResetsTheStreamAndIsPenalised()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node);
        await peer.SendBytesAsync([0x81, 0x80, 0x40]);
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Penalties == 1, "1 MiB + 1");
        await peer.OpenAsync(node);
        await peer.SendBytesAsync([3, 0x0a, 0x7f, 1]);
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Penalties == 2, "garbage");
        Assert.That(node.Host.HandlerFailures, Is.Empty);
    }

    [Test]
    public async Task TooManySubscriptions_AreBounded()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        RawGossipPeer peer = await network.ConnectRawAsync(node, subscribe: false);
        await peer.SendAsync(rpc =>
        {
            for (int i = 0; i < 3000; i++)
            {
                GossipRpcWriter.WriteSubscription(rpc, $"topic/{i}", true);
            }
        });
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Penalties == 1, "penalty");
        Assert.That(node.Router.Snapshot().Peers.Single().Topics, Has.Count.EqualTo(512));
    }

    [Test]
    public async Task MessageFlood_ThrottlesTheFlooderOnly()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        TaskCompletionSource gate = new();
        GossipNode node = network.Add(options => options.ValidationQueue = 64);
        int running = 0;
        await node.Router.SubscribeAsync(
            GossipNetwork.Topic,
            async (message, _) =>
            {
                Interlocked.Increment(ref running);
                await gate.Task;
                return ValidationResult.Accept;
            },
            (message, _) =>
            {
                node.Received.Enqueue(message);
                return ValueTask.CompletedTask;
            });
        RawGossipPeer flooder = await network.ConnectRawAsync(node), honest = await network.ConnectRawAsync(node);
        for (uint i = 0; i < 200; i++)
        {
            await flooder.SendMessageAsync(flooder.Message($"flood {i}", i));
        }

        // On the real clock's side only the first message is with the validator; the queue behind it is bounded per peer.
        await network.Time.UntilAsync(() => node.Router.Snapshot().Counts.Throttled >= 100, "throttled", TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(1));
        await honest.SendMessageAsync(honest.Message("honest", 1));
        await VirtualTime.SettleAsync();
        gate.SetResult();
        await network.Time.UntilAsync(() => node.Texts.Contains("honest"), "the honest message");
        Assert.That(node.Received, Has.Count.LessThan(40));
    }

    /// <summary>Each message is valid and has a signer of its own, so that no score speaks against any: what counts is who brings them.</summary>
    [Test]
    public async Task ValidMessages_OfEndlessSigners_AreHeardUpToWhatOneNeighbourMayBring()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        int verified = 0;
        GossipNode node = network.Add(options => options.Verify = message =>
        {
            verified++;
            return MessageSigning.Verify(message);
        });
        await node.SubscribeAsync();
        RawGossipPeer flooder = new(network), honest = new(network);
        await flooder.ConnectAsync(node);
        await honest.ConnectAsync(node);
        DateTimeOffset begin = network.Time.GetUtcNow();
        GossipMessage[] flood = [.. Enumerable.Range(0, 1500).Select(SignedByANewKey)];
        await FloodAsync(flood[..1000]);
        Assert.That(verified, Is.EqualTo(512));
        await honest.SendMessageAsync(honest.Message("honest", 1));
        await honest.SendMessageAsync(flood[999]);
        await network.Time.UntilAsync(() => node.Texts.Contains("honest") && node.Texts.Contains("flood 999"), "others are heard, also with what the flooder brought in vain");
        await network.Time.PassAsync(TimeSpan.FromSeconds(2));
        await FloodAsync(flood[1000..]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(verified, Is.InRange(600, 514 + (64 * (network.Time.GetUtcNow() - begin).TotalSeconds)));
            Assert.That(node.Router.ScoreOf(flooder.Peer), Is.GreaterThanOrEqualTo(0), "it may only hand on");
        }

        async Task FloodAsync(GossipMessage[] messages)
        {
            foreach (GossipMessage[] some in messages.Chunk(100))
            {
                await flooder.SendAsync(rpc => Array.ForEach(some, message => GossipRpcWriter.WriteMessage(rpc, message.Raw.Span)));
                await VirtualTime.SettleAsync();
            }
        }

        static GossipMessage SignedByANewKey(int number)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
            return MessageSigning.Create(key, GossipNetwork.Topic, System.Text.Encoding.UTF8.GetBytes($"flood {number}"), 1);
        }
    }

    [Test]
    public async Task RpcThatIsBegunAndNotEnded_LosesItsStream_WhileSilenceBetweenRpcsIsFree()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = network.Add();
        await node.SubscribeAsync();
        RawGossipPeer stalling = new(network), quiet = new(network);
        await stalling.ConnectAsync(node);
        await quiet.ConnectAsync(node);
        await stalling.SendBytesAsync([40, 0x0a]);
        await network.Time.PassAsync(TimeSpan.FromSeconds(29), TimeSpan.FromSeconds(1));
        Assert.That(node.Router.Snapshot().Counts.Penalties, Is.Zero);
        await network.Time.PassAsync(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(1));
        Assert.That(node.Router.Snapshot().Counts.Penalties, Is.EqualTo(1));
        await Assert.ThatAsync(() => stalling.SendBytesAsync([0]), Throws.InstanceOf<IOException>());
        await network.Time.PassAsync(TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(10));
        await quiet.SendMessageAsync(quiet.Message("after all", 1));
        await network.Time.UntilAsync(() => node.Texts.Contains("after all"), "a stream without traffic stays");
        Assert.That(node.Router.Snapshot().Counts.Penalties, Is.EqualTo(1));
    }

    [Test]
    public async Task SlowReader_LosesMessagesAndItsStream_WithoutHoldingUpOthers()
    {
        await VirtualLoop.Enter();
        await using GossipNetwork network = new();
        GossipNode node = await network.AddSubscribedAsync();
        MemoryHost slow = network.Network.AddHost();
        TaskCompletionSource end = new();
        slow.Handle(GossipsubProtocol.V12, (_, cancellationToken) => end.Task.WaitAsync(cancellationToken));
        await network.ConnectAsync(slow, node.Host);
        RawGossipPeer good = await network.ConnectRawAsync(node);
        RawGossipPeer subscriber = new(network);
        await VirtualTime.SettleAsync();

        // The slow peer subscribes by an inbound stream of its own.
        Cocoon.Protocol.Libp2p.IPeerStream stream = await slow.OpenStreamAsync(node.Host.LocalPeer, GossipsubProtocol.All, CancellationToken.None);
        System.Buffers.ArrayBufferWriter<byte> rpc = new();
        GossipRpcWriter.WriteSubscription(rpc, GossipNetwork.Topic, true);
        await Cocoon.Protocol.Libp2p.LengthPrefixed.WriteAsync(stream, rpc.WrittenMemory, CancellationToken.None);
        await network.Time.UntilAsync(() => node.TopicState()!.Subscribers.Count == 2, "both subscribed");

        string large = new('z', 50_000);
        for (int i = 0; i < 60; i++)
        {
            await node.PublishAsync(large + i);
            await VirtualTime.SettleAsync();
        }

        await network.Time.UntilAsync(() => good.Messages.Count() == 60, "the good peer gets all");
        GossipsubPeerSnapshot state = node.Router.Snapshot().Peers.Single(peer => peer.Peer == slow.LocalPeer);
        Assert.That(state.QueuedMessages, Is.LessThanOrEqualTo(21), "1 MiB of 50 kB");
        await network.Time.UntilAsync(() => node.Router.Snapshot().Peers.Single(peer => peer.Peer == slow.LocalPeer).QueuedMessages == 0, "reset after the write timeout");
        end.SetResult();
    }
}
