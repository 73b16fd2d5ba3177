using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Interop;

/// <summary>One mesh of our nodes and js-libp2p nodes.</summary>
[Category("Interop")]
public sealed class JsGossipsubTests
{
    private const string Topic = "cocoon/interop/1";

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
    public async Task Messages_InAMixedLine_ReachEverybodyBothWays(CancellationToken cancellationToken)
    {
        // js – ours – js – ours: each message crosses both implementations, in both directions.
        JsPeer firstJs = await StartJsAsync(cancellationToken), secondJs = await StartJsAsync(cancellationToken);
        Node first = await StartAsync(cancellationToken), second = await StartAsync(cancellationToken);
        await firstJs.CallAsync("dial", new() { ["addr"] = first.Host.FullAddress().ToString() }, cancellationToken);
        await first.Host.ConnectAsync(secondJs.Address, cancellationToken);
        await second.Host.ConnectAsync(secondJs.Address, cancellationToken);
        await MeshAsync(first, 2, cancellationToken);
        await MeshAsync(second, 1, cancellationToken);

        await firstJs.CallAsync("publish", new() { ["topic"] = Topic, ["data"] = Hex("from js") }, cancellationToken);
        await second.ReceiveAsync("from js", cancellationToken);
        await first.ReceiveAsync("from js", cancellationToken);
        await secondJs.EventAsync("message", line => Says(line, "from js"), cancellationToken);

        await second.Router.PublishAsync(Topic, Encoding.UTF8.GetBytes("from us"), cancellationToken);
        await first.ReceiveAsync("from us", cancellationToken);
        JsonElement seen = await firstJs.EventAsync("message", line => Says(line, "from us"), cancellationToken);

        // Above the thresholds of IDONTWANT on both sides.
        string large = new('x', 20_000);
        await first.Router.PublishAsync(Topic, Encoding.UTF8.GetBytes(large), cancellationToken);
        await firstJs.EventAsync("message", line => Says(line, large), cancellationToken);
        await second.ReceiveAsync(large, cancellationToken);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(seen.GetProperty("from").GetString(), Is.EqualTo(second.Host.LocalPeer.ToString()));
            foreach (Node node in new[] { first, second })
            {
                GossipsubSnapshot snapshot = node.Router.Snapshot();
                Assert.That(snapshot.Counts.Rejected, Is.Zero);
                Assert.That(snapshot.Counts.Penalties, Is.Zero);
                Assert.That(snapshot.Peers.Select(peer => peer.Protocol), Is.All.EqualTo("/meshsub/1.2.0").Or.EqualTo("/meshsub/1.1.0"));
            }
        }
    }

    [Test, CancelAfter(120_000)]
    public async Task JsOutsideTheMesh_GetsTheMessageByGossip(CancellationToken cancellationToken)
    {
        // A node without a mesh: js can only fetch what IHAVE announces, which it does when the message ids agree.
        Node node = await StartAsync(cancellationToken, options =>
        {
            options.FloodPublish = false;
            options.Degree = options.DegreeLow = options.DegreeHigh = options.DegreeScore = options.DegreeOutbound = 0;
            options.CacheWindows = options.GossipWindows = 100;
        });
        JsPeer js = await StartJsAsync(cancellationToken);
        await node.Router.PublishAsync(Topic, Encoding.UTF8.GetBytes("early"), cancellationToken);
        await node.Host.ConnectAsync(js.Address, cancellationToken);
        await js.EventAsync("message", line => Says(line, "early"), cancellationToken);
        Assert.That(node.Router.Snapshot().Counts.IWantServed, Is.EqualTo(1));
    }

    private static string Hex(string text) => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(text));

    private static bool Says(JsonElement line, string text) => line.GetProperty("data").GetString() == Hex(text);

    private static async Task MeshAsync(Node node, int peers, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(100));
        while (node.Router.Snapshot().Topics.Single().Mesh.Count < peers)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }

    private async Task<JsPeer> StartJsAsync(CancellationToken cancellationToken)
    {
        JsPeer js = await JsPeer.StartAsync(cancellationToken, "--topic", Topic);
        _started.Add(js);
        return js;
    }

    private async Task<Node> StartAsync(CancellationToken cancellationToken, Action<GossipsubOptions>? set = null)
    {
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        Libp2pHost host = await TestHosts.StartAsync(key: key);
        _started.Add(host);
        GossipsubOptions options = new();
        set?.Invoke(options);
        Node node = new(host, new GossipsubRouter(host, key, options));
        _started.Add(node.Router);
        node.Router.Start();
        await node.Router.SubscribeAsync(Topic, static (_, _) => ValueTask.FromResult(ValidationResult.Accept), node.OnMessage, cancellationToken);
        return node;
    }

    private sealed class Node(Libp2pHost host, GossipsubRouter router)
    {
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _received = new();

        public Libp2pHost Host => host;

        public GossipsubRouter Router => router;

        public Task ReceiveAsync(string text, CancellationToken cancellationToken) => Slot(text).Task.WaitAsync(cancellationToken);

        public ValueTask OnMessage(TopicMessage message, CancellationToken cancellationToken)
        {
            Slot(Encoding.UTF8.GetString(message.Data.Span)).TrySetResult();
            return ValueTask.CompletedTask;
        }

        private TaskCompletionSource Slot(string text) =>
            _received.GetOrAdd(text, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
