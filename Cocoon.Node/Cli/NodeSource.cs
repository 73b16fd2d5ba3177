using System.CommandLine;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;

namespace Cocoon.Node.Cli;

/// <summary>Where an inspection command looks: into a running node, or with <c>--ephemeral</c> through a throwaway peer of its own.</summary>
internal sealed class NodeSource
{
    private readonly Option<string> _data = CommonOptions.Data();
    private readonly Option<bool> _ephemeral = new("--ephemeral") { Description = "Use no node: join the network as a throwaway peer (needs --bootstrap)" };
    private readonly Option<string[]> _bootstrap = new("--bootstrap")
    {
        Description = "With --ephemeral: multiaddr with /p2p/ID of a peer to join by; may be repeated",
        DefaultValueFactory = _ => [],
        HelpName = "ADDR",
    };

    private readonly Option<string> _network = CommonOptions.Network("With --ephemeral: devnet, testnet or mainnet");
    private readonly Option<bool> _lan = new("--lan") { Description = "With --ephemeral: count private and loopback addresses as dialable" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_data, _ephemeral, _bootstrap, _network, _lan])
        {
            command.Options.Add(option);
        }
    }

    /// <param name="needsJoining"><c>false</c> for a command that brings the address it talks to.</param>
    /// <exception cref="CliException">There is no such node, or nobody to join by.</exception>
    public async Task<ObservedNode> OpenAsync(ParseResult parse, CancellationToken cancellationToken, bool needsJoining = true)
    {
        string[] bootstrap = parse.GetValue(_bootstrap) ?? [];
        if (!parse.GetValue(_ephemeral))
        {
            return bootstrap.Length == 0
                ? new ObservedNode(new ControlClient(parse.GetValue(_data)!), owner: null)
                : throw new CliException(ExitCode.Usage, "--bootstrap goes with --ephemeral", "a running node has its own neighbours already");
        }

        if (needsJoining && bootstrap.Length == 0)
        {
            throw new CliException(ExitCode.Usage, "a throwaway peer needs somebody to begin with", null, "Add --bootstrap /ip4/…/tcp/4484/p2p/12D3KooW…");
        }

        EphemeralNode node = await EphemeralNode.StartAsync(
            new EphemeralNodeOptions(parse.GetValue(_network)!, bootstrap, parse.GetValue(_lan), needsJoining), cancellationToken);
        return new ObservedNode(new ControlClient(node.DataDirectory), node);
    }
}

/// <summary>The node a command looks into; a throwaway one ends with it.</summary>
internal sealed class ObservedNode(ControlClient client, EphemeralNode? owner) : IAsyncDisposable
{
    public ControlClient Client { get; } = client;

    public bool IsEphemeral => owner is not null;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (owner is not null)
        {
            await owner.DisposeAsync();
        }
    }
}
