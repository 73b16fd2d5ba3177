using System.CommandLine;
using Cocoon.Node.Hosting;

namespace Cocoon.Node.Cli;

/// <summary>Options of the commands that run a node.</summary>
internal sealed class NodeOptionSet
{
    private readonly Option<string> _data = CommonOptions.Data();
    private readonly Option<string> _network = CommonOptions.Network("devnet, testnet or mainnet");

    private readonly Option<string[]> _ton = new("--ton")
    {
        Description = "toncenter-v2 endpoint, such as http://127.0.0.1:8081/api/v2; may be repeated",
        DefaultValueFactory = _ => [],
        HelpName = "URL",
    };

    private readonly Option<string?> _tonConfig = new("--ton-config")
    {
        Description = "Global configuration file (such as https://ton.org/global.config.json) whose lite-servers prove what the chain says",
        HelpName = "FILE",
    };

    private readonly Option<string[]> _listen = new("--listen") { Description = "Multiaddr to listen on; may be repeated (a node that serves: port 4484 of all addresses, IPv4 and IPv6)", DefaultValueFactory = _ => [], HelpName = "ADDR" };
    private readonly Option<string[]> _bootstrap = new("--bootstrap")
    {
        Description = "Multiaddr with /p2p/ID of a peer to join by; may be repeated",
        DefaultValueFactory = _ => [],
        HelpName = "ADDR",
    };

    private readonly Option<string?> _config = new(ConfigFile.Option) { Description = "JSON file with options by their names; prices in it are followed while the node runs", HelpName = "FILE" };
    private readonly Option<string?> _registry = new("--registry") { Description = "Address of the registry contract", HelpName = "ADDRESS" };
    private readonly Option<bool> _private = new("--lan") { Description = "Count private and loopback addresses as dialable (one machine or one LAN)" };
    private readonly Option<bool> _noMdns = new("--no-mdns") { Description = "Neither look for peers on the local network nor answer those that look" };
    private readonly Option<bool> _noMapping = new("--no-port-mapping") { Description = "Do not ask the router for a port (PCP, NAT-PMP, UPnP)" };
    private readonly Option<string?> _passphrase = new("--passphrase-file") { Description = "File with the wallet's passphrase", HelpName = "FILE" };
    private readonly Option<bool> _mainnet = new("--confirm-mainnet") { Description = "Confirm that this node may use real money" };
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Log more to stderr" };
    private readonly Option<bool> _json = new("--ready-json") { Description = "Print one JSON line on stdout when the node is ready" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_data, _config, _network, _ton, _tonConfig, _listen, _bootstrap, _registry, _private, _noMdns, _noMapping, _passphrase, _mainnet, _verbose, _json])
        {
            command.Options.Add(option);
        }
    }

    public bool IsVerbose(ParseResult parse) => parse.GetValue(_verbose);

    public bool PrintsReadyJson(ParseResult parse) => parse.GetValue(_json);

    /// <exception cref="CliException">An endpoint is not a URL, or a file is missing.</exception>
    public NodeOptions Read(ParseResult parse, NodeRole role, bool forwardsCircuits = false, bool relaysPeers = false) => new()
    {
        Role = role,
        DataDirectory = Path.GetFullPath(parse.GetValue(_data)!),
        Network = parse.GetValue(_network)!,
        TonEndpoints = [.. parse.GetValue(_ton)!.Select(ParseEndpoint)],
        TonConfig = parse.GetValue(_tonConfig) is { } config && !Path.Exists(config) ? throw new CliException(ExitCode.NotFound, $"there is no TON configuration {config}") : parse.GetValue(_tonConfig),
        Listen = parse.GetValue(_listen)!,
        Bootstrap = parse.GetValue(_bootstrap)!,
        Registry = parse.GetValue(_registry),
        AllowPrivateAddresses = parse.GetValue(_private),
        UsesMdns = !parse.GetValue(_noMdns),
        MapsPorts = !parse.GetValue(_noMapping),
        ConfigPath = parse.GetValue(_config) is { } file ? Path.GetFullPath(file) : null,
        ForwardsCircuits = forwardsCircuits,
        RelaysPeers = relaysPeers,
        PassphraseFile = parse.GetValue(_passphrase),
        ConfirmMainnet = parse.GetValue(_mainnet),
    };

    internal static Uri ParseEndpoint(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && (uri.Scheme is "http" or "https")
            ? uri
            : throw new CliException(ExitCode.Usage, $"'{text}' is no TON endpoint", "an http or https URL is expected", "For example --ton http://127.0.0.1:8081/api/v2");
}
