using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Multiformats;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Interop;

/// <summary>A bare node of our stack, driven by the same JSON lines as scripts/interop/peer.mjs.</summary>
/// <remarks>
/// <c>libp2p-peer [--topic T]… [--kad-protocol ID] [--kad-mode server|client] [--value-ns NS]… [--listen ADDR]… [--relay]
/// [--reserve ADDR]… [--auto-relay] [--punch-only] [--public-only]</c>. Loopback counts as dialable unless <c>--public-only</c>. The first line on stdout is
/// <c>{"peer_id":…,"addrs":[…]}</c>, with the relays' addresses when <c>--reserve</c> succeeded; it ends when stdin closes.
/// </remarks>
internal sealed class Libp2pPeerTool : IAsyncDisposable
{
    public const string Verb = "libp2p-peer";

    private const string Usage = """
        libp2p-peer: a bare node of our libp2p stack, driven by JSON lines on stdin, answered on stdout

          --listen ADDR           multiaddr to listen on (/ip4/127.0.0.1/tcp/0); may be repeated
          --topic T               gossipsub topic to subscribe to; may be repeated
          --kad-protocol ID       take part in a DHT of this protocol
          --kad-mode server|client
          --value-ns NS           namespace of values that the DHT keeps; may be repeated
          --relay                 relay for others
          --auto-relay            find a relay when nobody can dial it
          --reserve ADDR          hold a reservation with this relay; may be repeated
          --punch-only            reach peers behind NATs by hole punching alone
          --public-only           loopback and private addresses are not dialled

        The first line out is {"peer_id":…,"addrs":[…]}. A command is {"id":1,"op":"ping","addr":"/ip4/…/p2p/…"}, its answer has the
        same id and "ok"; lines with "event" tell what happens. scripts/interop/README.md lists the ops. It ends when stdin closes.
        """;

    private static readonly TimeSpan ReserveTimeout = TimeSpan.FromSeconds(20);

    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Libp2pHost _host;
    private readonly GossipsubRouter _gossip;
    private readonly KademliaDht? _dht;
    private readonly Dictionary<string, IAsyncDisposable> _subscriptions = [];
    private readonly SemaphoreSlim _output = new(1);
    private readonly List<string> _early = [];
    private bool _introduced;
    private readonly TextWriter _writer;

    private Libp2pPeerTool(
        IReadOnlyList<Multiaddr> listen, HashSet<string> flags, string? kadProtocol, KadMode mode, IEnumerable<string> valueNamespaces, TextWriter writer)
    {
        _writer = writer;
        Libp2pLimits limits = new();
        _host = new Libp2pHost(new Libp2pHostOptions
        {
            Identity = _key,
            ListenAddresses = listen,
            AllowPrivateAddresses = !flags.Contains("--public-only"),
            ServePerf = true,
            AutoNat = new AutoNatOptions(),
            Dcutr = new DcutrOptions { DialFirst = !flags.Contains("--punch-only") },
            RelayService = flags.Contains("--relay") ? new RelayLimits() : null,
            RelayWhenPrivate = flags.Contains("--auto-relay"),
            RelayClient = new RelayClientOptions { Interval = TimeSpan.FromSeconds(2) },
            // What a test asks for over a relay is up to the test.
            Limits = limits with { LimitedProtocols = [.. limits.LimitedProtocols, TestHosts.EchoProtocol, PerfProtocol.Id], RelayedGrace = TimeSpan.FromSeconds(1) },
            AgentVersion = "cocoon/test-peer",
        });
        _host.Handle(TestHosts.EchoProtocol, TestHosts.EchoAsync);
        _host.PeerChanged += OnPeerChanged;
        _gossip = new GossipsubRouter(_host, _key);
        if (kadProtocol is not null)
        {
            KadOptions options = new() { Protocol = kadProtocol, Mode = mode, AllowLocalAddresses = !flags.Contains("--public-only") };
            foreach (string name in valueNamespaces)
            {
                options.Validators[name] = new AnyValue();
            }

            _dht = new KademliaDht(_host, options);
        }
    }

    public static async Task<int> RunAsync(string[] arguments, TextReader input, TextWriter output, TextWriter errors)
    {
        if (arguments is ["--help" or "-h", ..])
        {
            await output.WriteLineAsync(Usage);
            return 0;
        }

        Dictionary<string, List<string>> options = [];
        HashSet<string> flags = [];
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (arguments[i] is "--relay" or "--auto-relay" or "--punch-only" or "--public-only")
            {
                flags.Add(arguments[i--]);
                continue;
            }

            if (arguments[i] is not ("--topic" or "--kad-protocol" or "--kad-mode" or "--value-ns" or "--listen" or "--reserve") || i + 1 == arguments.Length)
            {
                await errors.WriteLineAsync($"error: unknown option or missing value: {arguments[i]}");
                return 2;
            }

            options.TryAdd(arguments[i], []);
            options[arguments[i]].Add(arguments[i + 1]);
        }

        foreach (string address in options.GetValueOrDefault("--listen", []).Concat(options.GetValueOrDefault("--reserve", [])))
        {
            if (!Multiaddr.TryParse(address, out _))
            {
                await errors.WriteLineAsync($"error: no multiaddr: {address}");
                return 2;
            }
        }

        if (options.TryGetValue("--kad-mode", out List<string>? modes) && modes.Exists(mode => mode is not ("server" or "client")))
        {
            await errors.WriteLineAsync("error: --kad-mode is server or client");
            return 2;
        }

        string Single(string name, string otherwise) => options.TryGetValue(name, out List<string>? values) ? values[^1] : otherwise;
        await using Libp2pPeerTool peer = new(
            [.. options.GetValueOrDefault("--listen", ["/ip4/127.0.0.1/tcp/0"]).Select(Multiaddr.Parse)],
            flags,
            options.ContainsKey("--kad-protocol") ? Single("--kad-protocol", "") : null,
            Single("--kad-mode", "server") == "client" ? KadMode.Client : KadMode.Server,
            options.GetValueOrDefault("--value-ns", []),
            output);
        await peer.RunAsync(options.GetValueOrDefault("--topic", []), options.GetValueOrDefault("--reserve", []), input, errors);
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

    private async Task RunAsync(IEnumerable<string> topics, IEnumerable<string> relays, TextReader input, TextWriter errors)
    {
        await _host.StartAsync(CancellationToken.None);
        _gossip.Start();
        _dht?.Start();
        foreach (string topic in topics)
        {
            await SubscribeAsync(topic);
        }

        foreach (string relay in relays)
        {
            using CancellationTokenSource timeout = new(ReserveTimeout);
            try
            {
                await _host.ReserveAsync(Multiaddr.Parse(relay), timeout.Token);
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException)
            {
                await errors.WriteLineAsync($"no reservation at {relay}: {exception.Message}");
            }
        }

        await IntroduceAsync(new JsonObject { ["peer_id"] = _host.LocalPeer.ToString(), ["addrs"] = FullAddresses() });
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
        string Text(string name) => (string?)(command[name] ?? command[Alias(name)]) ?? throw new ArgumentException($"'{name}' is missing");
        long Number(string name) => (long?)command[name] ?? 0;
        ulong Size(string name) => Number(name) is >= 0 and var size ? (ulong)size : throw new ArgumentException($"'{name}' is below 0");
        switch (operation)
        {
            case "dial":
                return new JsonObject { ["peer_id"] = (await _host.ConnectAsync(Multiaddr.Parse(Text("addr")), cancellationToken)).ToString() };
            case "ping":
                return new JsonObject { ["ms"] = (await _host.PingAsync(await TargetAsync(command, cancellationToken), cancellationToken)).TotalMilliseconds };
            case "echo":
                return await EchoAsync(await TargetAsync(command, cancellationToken), command["size"] is null ? 1024 : (int)Number("size"), cancellationToken);
            case "perf":
                (ulong upload, ulong download) = (Size("upload"), Size("download"));
                return await MeasureAsync(await TargetAsync(command, cancellationToken), upload, download, cancellationToken);
            case "peers":
                return new JsonObject
                {
                    ["peers"] = new JsonArray([.. _host.Connections.Select(c => (JsonNode)new JsonObject
                    {
                        ["peer_id"] = c.Peer.ToString(),
                        ["addr"] = c.RemoteAddress.ToString(),
                        ["direction"] = c.IsOutbound ? "outbound" : "inbound",
                        ["relayed"] = c.IsRelayed,
                    })]),
                };
            case "protocols":
                PeerId asked = PeerId.Parse(Text("peer"));
                return new JsonObject { ["protocols"] = ToArray(_host.Connections.First(c => c.Peer == asked).Protocols) };
            case "handle":
                _host.Handle(Text("protocol"), TestHosts.EchoAsync);
                return [];
            case "addrs":
                return new JsonObject { ["addrs"] = FullAddresses() };
            case "reserve":
                HeldReservation held = await _host.ReserveAsync(Multiaddr.Parse(Text("addr")), cancellationToken);
                return new JsonObject
                {
                    ["relay"] = held.Relay.ToString(),
                    ["expire"] = held.Expires.ToUnixTimeSeconds(),
                    ["voucher"] = held.HasVoucher,
                    ["addrs"] = ToArray(held.Addresses.Select(a => a.WithPeer(_host.LocalPeer))),
                };
            case "wait_direct":
                return await WaitDirectAsync(PeerId.Parse(Text("peer")), cancellationToken);
            case "reachability":
                return new JsonObject
                {
                    ["verdict"] = _host.Reachability.Verdict.ToString().ToLowerInvariant(),
                    ["verified"] = ToArray(_host.Reachability.Verified),
                    ["observed"] = ToArray(_host.ObservedAddresses.Select(o => o.Address)),
                    ["holes_punched"] = _host.HolePunching.Upgraded,
                    ["holes_given_up"] = _host.HolePunching.GivenUp,
                };
            case "relay":
                RelayServiceReport service = _host.RelayService ?? throw new ArgumentException("not started with --relay");
                return new JsonObject
                {
                    ["reservations"] = ToArray(service.Reservations.Select(r => r.Peer)),
                    ["circuits"] = service.Circuits.Count,
                    ["opened"] = service.Counters.Opened,
                    ["bytes"] = service.Counters.BytesRelayed,
                };
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

    private JsonArray FullAddresses() => ToArray(_host.Addresses.Select(a => a.WithPeer(_host.LocalPeer)));

    /// <summary>Commands name the peer and the address by either word.</summary>
    private static string Alias(string name) => name switch
    {
        "addr" => "multiaddr",
        "peer" => "peer_id",
        _ => name,
    };

    /// <summary>Waits until a relayed peer is connected directly.</summary>
    private async Task<JsonObject> WaitDirectAsync(PeerId peer, CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        TaskCompletionSource<PeerConnectionInfo> found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        void Look(PeerEvent change)
        {
            // Identify follows every new connection, also one beside a relayed one.
            if (change.Peer == peer && _host.Connections.FirstOrDefault(c => c.Peer == peer && !c.IsRelayed) is { } connection)
            {
                found.TrySetResult(connection);
            }
        }

        _host.PeerChanged += Look;
        PeerConnectionInfo direct;
        try
        {
            Look(new PeerEvent.Connected(peer, IsOutbound: false));
            direct = await found.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _host.PeerChanged -= Look;
        }

        return new JsonObject { ["addr"] = direct.RemoteAddress.ToString(), ["ms"] = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds };
    }

    private static JsonObject Describe(KadPeer peer) => new() { ["peer_id"] = peer.Peer.ToString(), ["addrs"] = ToArray(peer.Addresses) };

    private static JsonArray ToArray<T>(IEnumerable<T> items) => new([.. items.Select(item => (JsonNode)item!.ToString()!)]);

    /// <summary>The peer of a command: an address is dialled first.</summary>
    private async Task<PeerId> TargetAsync(JsonObject command, CancellationToken cancellationToken) =>
        (string?)(command["addr"] ?? command[Alias("addr")]) is { } address
            ? await _host.ConnectAsync(Multiaddr.Parse(address), cancellationToken)
            : PeerId.Parse((string?)(command["peer"] ?? command[Alias("peer")]) ?? throw new ArgumentException("'addr' or 'peer' is missing"));

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
            if (!_introduced)
            {
                // Connections to relays come up before the first line.
                _early.Add(line.ToJsonString());
                return;
            }

            _writer.WriteLine(line.ToJsonString());
            _writer.Flush();
        }
        finally
        {
            _output.Release();
        }
    }

    /// <summary>The first line, then what happened before it.</summary>
    private async Task IntroduceAsync(JsonObject line)
    {
        await _output.WaitAsync();
        try
        {
            _introduced = true;
            foreach (string text in (string[])[line.ToJsonString(), .. _early])
            {
                await _writer.WriteLineAsync(text);
            }

            await _writer.FlushAsync();
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
            if (!_introduced)
            {
                _early.Add(line.ToJsonString());
                return;
            }

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
