using System.Collections.Concurrent;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Protocol.Libp2p.Gossipsub;

/// <summary>Gossip routers on an in-memory network with a clock of their own.</summary>
internal sealed class GossipNetwork : IAsyncDisposable
{
    public const string Topic = "cocoon/test/1";

    public GossipNetwork()
    {
        Network = new MemoryNetwork(Time);
    }

    public ManualTimeProvider Time { get; } = new();

    public MemoryNetwork Network { get; }

    public List<GossipNode> Nodes { get; } = [];

    public GossipNode Add(Action<GossipsubOptions>? set = null)
    {
        GossipsubOptions options = new() { Random = new Random(Nodes.Count), ValidationWorkers = 1 };
        set?.Invoke(options);
        MemoryHost host = Network.AddHost();
        GossipNode node = new(host, new GossipsubRouter(host, host.Key, options, Time));
        node.Router.Start();
        Nodes.Add(node);
        return node;
    }

    public async Task<GossipNode> AddSubscribedAsync(Action<GossipsubOptions>? set = null)
    {
        GossipNode node = Add(set);
        await node.SubscribeAsync();
        return node;
    }

    /// <summary>A peer played by the test, connected to <paramref name="node"/>.</summary>
    public async Task<RawGossipPeer> ConnectRawAsync(GossipNode node, bool subscribe = true)
    {
        RawGossipPeer peer = new(this);
        await peer.ConnectAsync(node, subscribe);
        return peer;
    }

    public async Task ConnectAsync(MemoryHost from, MemoryHost to)
    {
        from.AddAddresses(to.LocalPeer, to.Addresses, TimeSpan.FromHours(1));
        await from.ConnectAsync(to.LocalPeer, CancellationToken.None);
    }

    /// <summary>Connects each node to <paramref name="degree"/> random others.</summary>
    public async Task ConnectRandomlyAsync(int degree, int seed = 1)
    {
        Random random = new(seed);
        foreach (GossipNode node in Nodes)
        {
            GossipNode[] others = [.. Nodes.Where(other => other != node)];
            random.Shuffle(others);
            foreach (GossipNode other in others.Take(degree))
            {
                await ConnectAsync(node.Host, other.Host);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (GossipNode node in Nodes)
        {
            await node.Router.DisposeAsync();
        }

        await Network.DisposeAsync();
    }
}

internal sealed class GossipNode(MemoryHost host, GossipsubRouter router)
{
    public MemoryHost Host => host;

    public GossipsubRouter Router => router;

    public ConcurrentQueue<TopicMessage> Received { get; } = new();

    public IReadOnlyList<string> Texts => [.. Received.Select(message => System.Text.Encoding.UTF8.GetString(message.Data.Span))];

    public async Task<IAsyncDisposable> SubscribeAsync(
        string topic = GossipNetwork.Topic, Func<TopicMessage, ValidationResult>? validate = null) =>
        await router.SubscribeAsync(
            topic,
            (message, _) => ValueTask.FromResult(validate?.Invoke(message) ?? ValidationResult.Accept),
            (message, _) =>
            {
                Received.Enqueue(message);
                return ValueTask.CompletedTask;
            });

    public Task<int> PublishAsync(string text, string topic = GossipNetwork.Topic) =>
        router.PublishAsync(topic, System.Text.Encoding.UTF8.GetBytes(text)).AsTask();

    public GossipsubTopicSnapshot? TopicState(string topic = GossipNetwork.Topic) =>
        router.Snapshot().Topics.SingleOrDefault(snapshot => snapshot.Topic == topic);

    public int MeshSize => TopicState()?.Mesh.Count ?? 0;
}
