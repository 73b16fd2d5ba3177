using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Interop;

/// <summary>A bare node of our stack, driven by the same JSON lines as scripts/interop/peer.mjs.</summary>
/// <remarks>
/// <c>libp2p-peer [--topic T]… [--kad-protocol ID] [--kad-mode server|client] [--value-ns NS]… [--listen ADDR]</c>. Loopback counts as
/// dialable. The first line on stdout is <c>{"peer_id":…,"addrs":[…]}</c>; it ends when stdin closes.
/// </remarks>
internal sealed class Libp2pPeerTool : IAsyncDisposable
{
    public const string Verb = "libp2p-peer";

    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Libp2pHost _host;
    private readonly GossipsubRouter _gossip;
    private readonly KademliaDht? _dht;
    private readonly Dictionary<string, IAsyncDisposable> _subscriptions = [];
    private readonly SemaphoreSlim _output = new(1);
    private readonly TextWriter _writer;

    private Libp2pPeerTool(Multiaddr listen, string? kadProtocol, KadMode mode, IEnumerable<string> valueNamespaces, TextWriter writer)
    {
        _writer = writer;
        _host = new Libp2pHost(new Libp2pHostOptions
        {
            Identity = _key,
            ListenAddresses = [listen],
            AllowPrivateAddresses = true,
            ServePerf = true,
            AgentVersion = "cocoon/test-peer",
        });
        _host.Handle(TestHosts.EchoProtocol, TestHosts.EchoAsync);
        _host.PeerChanged += OnPeerChanged;
        _gossip = new GossipsubRouter(_host, _key);
        if (kadProtocol is not null)
        {
            KadOptions options = new() { Protocol = kadProtocol, Mode = mode, AllowLocalAddresses = true };
            foreach (string name in valueNamespaces)
            {
                options.Validators[name] = new AnyValue();
            }

            _dht = new KademliaDht(_host, options);
        }
    }

    public static async Task<int> RunAsync(string[] arguments, TextReader input, TextWriter output, TextWriter errors)
    {
        Dictionary<string, List<string>> options = [];
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (arguments[i] is not ("--topic" or "--kad-protocol" or "--kad-mode" or "--value-ns" or "--listen") || i + 1 == arguments.Length)
            {
                await errors.WriteLineAsync($"error: unknown option or missing value: {arguments[i]}");
                return 2;
            }

            options.TryAdd(arguments[i], []);
            options[arguments[i]].Add(arguments[i + 1]);
        }

        string Single(string name, string otherwise) => options.TryGetValue(name, out List<string>? values) ? values[^1] : otherwise;
        await using Libp2pPeerTool peer = new(
            Multiaddr.Parse(Single("--listen", "/ip4/127.0.0.1/tcp/0")),
            options.ContainsKey("--kad-protocol") ? Single("--kad-protocol", "") : null,
            Single("--kad-mode", "server") == "client" ? KadMode.Client : KadMode.Server,
            options.GetValueOrDefault("--value-ns", []),
            output);
        await peer.RunAsync(options.GetValueOrDefault("--topic", []), input);
        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        if (_dht is not null)
        {
            await _dht.DisposeAsync();
        }

        await _gossip.DisposeAsync();
        await _host.DisposeAsync();
        _key.Dispose();
        _output.Dispose();
    }

    private async Task RunAsync(IEnumerable<string> topics, TextReader input)
    {
        await _host.StartAsync(CancellationToken.None);
        _gossip.Start();
        _dht?.Start();
        foreach (string topic in topics)
        {
            await SubscribeAsync(topic);
        }

        await EmitAsync(new JsonObject { ["peer_id"] = _host.LocalPeer.ToString(), ["addrs"] = ToArray(_host.Addresses.Select(a => a.WithPeer(_host.LocalPeer))) });
        List<Task> running = [];
        while (await input.ReadLineAsync() is { } line)
        {
            running.RemoveAll(task => task.IsCompleted);
            if (line.Trim().Length > 0)
            {
                running.Add(Task.Run(() => AnswerAsync(line)));
            }
        }

        await Task.WhenAll(running);
    }

    private async Task AnswerAsync(string line)
    {
        JsonNode? id = null;
        try
        {
            JsonObject command = JsonNode.Parse(line)!.AsObject();
            id = command["id"]?.DeepClone();
            using CancellationTokenSource timeout = new(TimeSpan.FromMilliseconds((int?)command["timeout_ms"] ?? 60_000));
            JsonObject answer = await ExecuteAsync((string?)command["op"] ?? "", command, timeout.Token);
            answer["id"] = id;
            answer["ok"] = true;
            await EmitAsync(answer);
        }
        catch (Exception exception)
        {
            await EmitAsync(new JsonObject { ["id"] = id?.DeepClone(), ["ok"] = false, ["error"] = exception.Message, ["name"] = exception.GetType().Name });
        }
    }

    private async Task<JsonObject> ExecuteAsync(string operation, JsonObject command, CancellationToken cancellationToken)
    {
        string Text(string name) => (string?)command[name] ?? throw new ArgumentException($"'{name}' is missing");
        long Number(string name) => (long?)command[name] ?? 0;
        switch (operation)
        {
            case "dial":
                return new JsonObject { ["peer_id"] = (await _host.ConnectAsync(Multiaddr.Parse(Text("addr")), cancellationToken)).ToString() };
            case "ping":
                return new JsonObject { ["ms"] = (await _host.PingAsync(await TargetAsync(command, cancellationToken), cancellationToken)).TotalMilliseconds };
            case "echo":
                return await EchoAsync(await TargetAsync(command, cancellationToken), command["size"] is null ? 1024 : (int)Number("size"), cancellationToken);
            case "perf":
                return await MeasureAsync(await TargetAsync(command, cancellationToken), (ulong)Number("upload"), (ulong)Number("download"), cancellationToken);
            case "peers":
                return new JsonObject
                {
                    ["peers"] = new JsonArray([.. _host.Connections.Select(c => (JsonNode)new JsonObject
                    {
                        ["peer_id"] = c.Peer.ToString(),
                        ["addr"] = c.RemoteAddress.ToString(),
                        ["direction"] = c.IsOutbound ? "outbound" : "inbound",
                    })]),
                };
            case "protocols":
                PeerId asked = PeerId.Parse(Text("peer"));
                return new JsonObject { ["protocols"] = ToArray(_host.Connections.First(c => c.Peer == asked).Protocols) };
            case "handle":
                _host.Handle(Text("protocol"), TestHosts.EchoAsync);
                return [];
            case "hang_up":
                await _host.DisconnectAsync(PeerId.Parse(Text("peer")));
                return [];
            case "subscribe":
                await SubscribeAsync(Text("topic"));
                return [];
            case "unsubscribe":
                if (_subscriptions.Remove(Text("topic"), out IAsyncDisposable? subscription))
                {
                    await subscription.DisposeAsync();
                }

                return [];
            case "subscribers":
                return new JsonObject { ["peers"] = ToArray(_gossip.Snapshot().Topics.Where(t => t.Topic == Text("topic")).SelectMany(t => t.Subscribers)) };
            case "mesh":
                return new JsonObject { ["peers"] = ToArray(_gossip.Snapshot().Topics.Where(t => t.Topic == Text("topic")).SelectMany(t => t.Mesh)) };
            case "publish":
                return new JsonObject { ["recipients"] = await _gossip.PublishAsync(Text("topic"), Convert.FromHexString(Text("data")), cancellationToken) };
            default:
                return await ExecuteDhtAsync(_dht ?? throw new ArgumentException($"unknown op '{operation}', or no --kad-protocol"), operation, Text, Number, cancellationToken);
        }
    }

    private static async Task<JsonObject> ExecuteDhtAsync(
        KademliaDht dht, string operation, Func<string, string> text, Func<string, long> number, CancellationToken cancellationToken)
    {
        switch (operation)
        {
            case "provide":
                return new JsonObject { ["peers"] = await dht.ProvideAsync(Convert.FromHexString(text("key")), cancellationToken) };
            case "find_providers":
                int limit = number("count") is > 0 and var count ? (int)count : 20;
                JsonArray providers = [];
                await foreach (KadPeer provider in dht.FindProvidersAsync(Convert.FromHexString(text("key")), limit, cancellationToken))
                {
                    providers.Add((JsonNode)Describe(provider));
                }

                return new JsonObject { ["providers"] = providers };
            case "put":
                return new JsonObject { ["peers"] = await dht.PutValueAsync(Encoding.UTF8.GetBytes(text("key")), Convert.FromHexString(text("value")), cancellationToken) };
            case "get":
                return await dht.GetValueAsync(Encoding.UTF8.GetBytes(text("key")), cancellationToken) is { } value
                    ? new JsonObject { ["value"] = Convert.ToHexStringLower(value.Span) }
                    : throw new IOException("not found");
            case "find_peer":
                return await dht.FindPeerAsync(PeerId.Parse(text("peer")), cancellationToken) is { } found ? Describe(found) : throw new IOException("not found");
            default:
                throw new ArgumentException($"unknown op '{operation}'");
        }
    }

    private static JsonObject Describe(KadPeer peer) => new() { ["peer_id"] = peer.Peer.ToString(), ["addrs"] = ToArray(peer.Addresses) };

    private static JsonArray ToArray<T>(IEnumerable<T> items) => new([.. items.Select(item => (JsonNode)item!.ToString()!)]);

    /// <summary>The peer of a command: an address is dialled first.</summary>
    private async Task<PeerId> TargetAsync(JsonObject command, CancellationToken cancellationToken) =>
        (string?)command["addr"] is { } address
            ? await _host.ConnectAsync(Multiaddr.Parse(address), cancellationToken)
            : PeerId.Parse((string?)command["peer"] ?? throw new ArgumentException("'addr' or 'peer' is missing"));

    private async Task<JsonObject> EchoAsync(PeerId peer, int size, CancellationToken cancellationToken)
    {
        byte[] data = RandomNumberGenerator.GetBytes(size);
        await using IPeerStream stream = await _host.OpenStreamAsync(peer, [TestHosts.EchoProtocol], cancellationToken);
        byte[] echo = await TestHosts.ExchangeAsync(stream, data, cancellationToken);
        return new JsonObject { ["equal"] = echo.AsSpan().SequenceEqual(data) };
    }

    private async Task<JsonObject> MeasureAsync(PeerId peer, ulong upload, ulong download, CancellationToken cancellationToken)
    {
        await using IPeerStream stream = await _host.OpenStreamAsync(peer, [PerfProtocol.Id], cancellationToken);
        (TimeSpan up, TimeSpan down) = await PerfProtocol.MeasureAsync(stream, upload, download, TimeProvider.System, cancellationToken);
        return new JsonObject { ["upload_ms"] = up.TotalMilliseconds, ["download_ms"] = down.TotalMilliseconds, ["received"] = download };
    }

    private async Task SubscribeAsync(string topic) => _subscriptions[topic] = await _gossip.SubscribeAsync(
        topic,
        static (_, _) => ValueTask.FromResult(ValidationResult.Accept),
        async (message, _) => await EmitAsync(new JsonObject
        {
            ["event"] = "message",
            ["topic"] = message.Topic,
            ["from"] = message.From.ToString(),
            ["data"] = Convert.ToHexStringLower(message.Data.Span),
        }));

    private void OnPeerChanged(PeerEvent peerEvent)
    {
        JsonObject line = new()
        {
            ["event"] = peerEvent.GetType().Name.ToLowerInvariant(),
            ["peer_id"] = peerEvent.Peer.ToString(),
        };
        if (peerEvent is PeerEvent.Identified identified)
        {
            line["agent"] = _host.Connections.FirstOrDefault(c => c.Peer == peerEvent.Peer)?.AgentVersion;
            line["protocols"] = ToArray(identified.Protocols);
        }

        _output.Wait();
        try
        {
            _writer.WriteLine(line.ToJsonString());
            _writer.Flush();
        }
        finally
        {
            _output.Release();
        }
    }

    private async Task EmitAsync(JsonObject line)
    {
        await _output.WaitAsync();
        try
        {
            await _writer.WriteLineAsync(line.ToJsonString());
            await _writer.FlushAsync();
        }
        finally
        {
            _output.Release();
        }
    }

    private sealed class AnyValue : IKadValidator
    {
        public bool Validate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) => true;

        public bool IsBetter(ReadOnlySpan<byte> key, ReadOnlySpan<byte> candidate, ReadOnlySpan<byte> current) => candidate.SequenceCompareTo(current) > 0;
    }
}
