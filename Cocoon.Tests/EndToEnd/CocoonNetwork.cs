using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Ton;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.EndToEnd;

/// <summary>A whole network on this machine: devnet and bootstrap node, with as many providers and clients as a test starts. Each node is its own process.</summary>
/// <remarks>Providers serve the generated chain model, which answers <see cref="TestModel.Sentence"/>.</remarks>
internal sealed class CocoonNetwork : IAsyncDisposable
{
    public const string ModelName = "cocoon-e2e";
    public const ulong Ton = 1_000_000_000;

    private static readonly TimeSpan s_discovery = TimeSpan.FromSeconds(90);

    private readonly List<CocoonNode> _nodes = [];
    private readonly string _directory;

    private CocoonNetwork(string directory, DevnetProcess devnet)
    {
        _directory = directory;
        Devnet = devnet;
        Chain = new TcpForwarder(new IPEndPoint(IPAddress.Loopback, devnet.Url.Port));
    }

    public DevnetProcess Devnet { get; }

    /// <summary>The only way of the nodes to the chain; the tests themselves go to the devnet.</summary>
    public TcpForwarder Chain { get; }

    public CocoonNode Bootstrap { get; private set; } = null!;


    /// <summary>Starts devnet and bootstrap node; the calling fixture is ignored by name where a prerequisite is missing.</summary>
    public static async Task<CocoonNetwork> StartAsync(CancellationToken cancellationToken)
    {
        if (CocoonProgram.MissingPrerequisite() is { } missing)
        {
            Assert.Ignore(missing);
        }

        // Short on purpose: the path of a Unix socket has at most 107 bytes.
        string directory = Directory.CreateTempSubdirectory("cocoon-").FullName;
        DevnetProcess devnet = await DevnetProcess.StartAsync("--lite-port", "0", "--lite-config", LiteConfigIn(directory));
        CocoonNetwork network = new(directory, devnet);
        try
        {
            network.Bootstrap = await network.StartAsync("bootstrap", ["up", "--no-model", "--privacy-relay", "--listen", "/ip4/127.0.0.1/tcp/0", "--lan"], cancellationToken);
            return network;
        }
        catch
        {
            await network.DisposeAsync();
            throw;
        }
    }

    /// <summary>A provider that is ready to serve, with half a TON for its claims.</summary>
    /// <param name="command">Stands for the program of the build.</param>
    /// <param name="directory">Data directory; <c>null</c>: one of the network's.</param>
    public async Task<CocoonNode> StartProviderAsync(
        string name, decimal priceIn, decimal priceOut, CancellationToken cancellationToken, string? model = null, string modelName = ModelName,
        IReadOnlyList<string>? options = null, IReadOnlyList<string>? command = null, string? directory = null)
    {
        CocoonNode provider = await StartAsync(
            name,
            [
                "up", .. Common(Bootstrap.Address), "--listen", "/ip4/127.0.0.1/tcp/0", "--model", model ?? TestModel.Ensure(), "--name", modelName, "--threads", "1",
                "--price-in", priceIn.ToString(CultureInfo.InvariantCulture), "--price-out", priceOut.ToString(CultureInfo.InvariantCulture),
                .. options ?? [],
            ],
            cancellationToken,
            command,
            directory);
        await FundAsync(provider, Ton / 2, cancellationToken);
        return provider;
    }

    /// <summary>A node without a model that carries other people's circuits.</summary>
    public Task<CocoonNode> StartRelayAsync(string name, CancellationToken cancellationToken) =>
        StartAsync(name, ["up", "--no-model", "--privacy-relay", "--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", Bootstrap.Address, "--lan", "--no-mdns"], cancellationToken);

    /// <summary>A provider whose engine is another server on this machine.</summary>
    public async Task<CocoonNode> StartUpstreamProviderAsync(string name, Uri server, string serverModel, string modelName, CancellationToken cancellationToken)
    {
        CocoonNode provider = await StartAsync(
            name,
            ["up", .. Common(Bootstrap.Address), "--listen", "/ip4/127.0.0.1/tcp/0", "--upstream", server.ToString(), "--upstream-model", serverModel, "--name", modelName],
            cancellationToken);
        await FundAsync(provider, Ton / 2, cancellationToken);
        return provider;
    }

    /// <param name="ton">What the wallet gets, nanoTON.</param>
    /// <param name="lite">Reads the chain through the devnet's lite-server.</param>
    /// <param name="bootstrap">Address to join by; <c>null</c>: the bootstrap node's.</param>
    /// <param name="command">Stands for the program of the build.</param>
    public async Task<CocoonNode> StartClientAsync(
        string name, ulong ton, CancellationToken cancellationToken, string? bootstrap = null, string shape = "fast", bool lite = false, string[]? options = null,
        IReadOnlyList<string>? command = null)
    {
        CocoonNode client = await StartAsync(
            name,
            [
                "client", .. Common(bootstrap ?? Bootstrap.Address), "--api", "127.0.0.1:0", "--allow-open", "--shape", shape,
                .. lite ? (string[])["--ton-config", LiteConfigIn(_directory)] : [], .. options ?? [],
            ],
            cancellationToken,
            command);
        if (ton > 0)
        {
            await FundAsync(client, ton, cancellationToken);
        }

        return client;
    }

    /// <summary>The same command on the same data directory, after the node has ended.</summary>
    public Task<CocoonNode> RestartAsync(CocoonNode ended, CancellationToken cancellationToken) => StartAsync(ended.Name, ended.Arguments, cancellationToken);

    /// <summary>The same command on the same data directory, started to die at a step; it may die before it is ready.</summary>
    public CocoonNode Relaunch(CocoonNode ended, string? crashAt)
    {
        CocoonNode node = CocoonNode.Launch(ended.Name, ended.Arguments, ended.DataDirectory, crashAt);
        lock (_nodes)
        {
            _nodes.Add(node);
        }

        return node;
    }

    /// <summary>Waits until the client knows an offer of each of these providers that it made in this life.</summary>
    public static Task WaitForOffersAsync(CocoonNode client, CancellationToken cancellationToken, params CocoonNode[] providers) => Eventually.GetAsync(
        $"{client.Name} hears the offers of {string.Join(", ", providers.Select(p => p.Name))}",
        async () =>
        {
            JsonObject document = await client.GetAsync("/control/offers", cancellationToken);
            Dictionary<string, double> ages = document["offers"]!.AsArray()
                .GroupBy(o => (string)o!["peer"]!).ToDictionary(g => g.Key, g => g.Max(o => (double)o!["age_seconds"]!));
            return providers.All(p => ages.TryGetValue(p.PeerId, out double age) && age < p.Age.TotalSeconds) ? document : null;
        },
        s_discovery,
        cancellationToken);

    /// <summary>Waits until the client knows an offer of a provider that is no process of the tests.</summary>
    public static Task WaitForOfferAsync(CocoonNode client, string peer, CancellationToken cancellationToken) => Eventually.GetAsync(
        $"{client.Name} hears the offer of {peer}",
        async () => (await client.GetAsync("/control/offers", cancellationToken))["offers"]!.AsArray().FirstOrDefault(o => (string)o!["peer"]! == peer),
        s_discovery,
        cancellationToken);

    public static async Task<TonAddress> WalletAsync(CocoonNode node, CancellationToken cancellationToken) =>
        TonAddress.Parse((string)(await node.GetAsync("/control/wallet", cancellationToken))["raw_address"]!);

    /// <summary>By the chain, not by the node.</summary>
    public async Task<ulong> BalanceAsync(TonAddress wallet, CancellationToken cancellationToken) =>
        (await Devnet.Client.GetAccountAsync(wallet, cancellationToken)).Balance;

    public async ValueTask DisposeAsync()
    {
        foreach (CocoonNode node in _nodes)
        {
            Signals.Thaw(node.ProcessId);
        }

        await Task.WhenAll(_nodes.Select(n => n.DisposeAsync().AsTask()));
        await Chain.DisposeAsync();
        await Devnet.DisposeAsync();
        if (TestContext.CurrentContext.Result.FailCount == 0)
        {
            Directory.Delete(_directory, recursive: true);
        }
        else
        {
            await TestContext.Progress.WriteLineAsync($"logs and data of the failed network: {_directory}");
        }
    }

    private static string LiteConfigIn(string directory) => Path.Combine(directory, "ton.json");

    private string[] Common(string bootstrap) => ["--ton", $"http://127.0.0.1:{Chain.Port}/api/v2", "--bootstrap", bootstrap, "--lan", "--no-mdns"];

    private async Task<CocoonNode> StartAsync(
        string name, IReadOnlyList<string> arguments, CancellationToken cancellationToken, IReadOnlyList<string>? command = null, string? directory = null)
    {
        CocoonNode node = await CocoonNode.StartAsync(name, arguments, directory ?? Path.Combine(_directory, name), cancellationToken, command);
        lock (_nodes)
        {
            _nodes.Add(node);
        }

        return node;
    }

    private async Task FundAsync(CocoonNode node, ulong amount, CancellationToken cancellationToken) =>
        await Devnet.FaucetAsync(await WalletAsync(node, cancellationToken), amount);
}
