using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Node.Cli;

/// <summary>
/// Sends messages from the wallet of a data directory: through the node that runs there, so that one external is in flight per wallet,
/// or, when none runs, by opening the wallet itself.
/// </summary>
internal sealed class WalletDesk
{
    private readonly Option<string[]> _ton = new("--ton") { Description = "toncenter-v2 endpoint (default: that of the node that runs here, else the network's own)", DefaultValueFactory = _ => [], HelpName = "URL" };
    private readonly Option<string> _network = CommonOptions.Network("devnet, testnet or mainnet (default: that of the node that runs here, else the wallet's)");
    private readonly Option<string?> _passphrase = new("--passphrase-file") { Description = "File with the wallet's passphrase", HelpName = "FILE" };
    private readonly Option<bool> _mainnet = new("--confirm-mainnet") { Description = "Confirm that this wallet may use real money" };

    public OnChain Chain { get; } = new();

    public void AddTo(Command command)
    {
        Chain.AddTo(command);
        foreach (Option option in (Option[])[_ton, _network, _passphrase, _mainnet])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>For commands that only read, and have their own output options.</summary>
    public void AddReadingTo(Command command)
    {
        command.Options.Add(Chain.Data);
        command.Options.Add(_ton);
        command.Options.Add(_network);
    }

    /// <summary>The chain that is named on the command line, else the one of the node that runs here, else the network's own.</summary>
    /// <exception cref="PaymentException">Unknown network, real money not confirmed, or no endpoint.</exception>
    public async Task<NetworkProfile> ProfileAsync(ParseResult parse, bool readsOnly, CancellationToken cancellationToken)
    {
        bool isNamed = parse.GetResult(_network) is { Implicit: false };
        string network = isNamed ? parse.GetValue(_network)! : WalletInfo.Read(DataPath(parse))?.Network ?? parse.GetValue(_network)!;
        Uri[] endpoints = [.. parse.GetValue(_ton)!.Select(NodeOptionSet.ParseEndpoint)];
        if (endpoints.Length == 0 && await AskNodeAsync(parse, "/control/chain", cancellationToken) is { } node)
        {
            string name = (string)node["network"]!;
            if (!isNamed || name.Equals(network, StringComparison.OrdinalIgnoreCase))
            {
                (network, endpoints) = (name, [.. node["endpoints"]!.AsArray().Select(url => NodeOptionSet.ParseEndpoint((string)url!))]);
            }
        }

        bool confirmed = readsOnly || parse.GetValue(_mainnet) || MainnetConfirmation.IsGiven(DataPath(parse));
        return Networks.Resolve(network, endpoints, confirmed);
    }

    /// <summary>The registry that the node here follows; <c>null</c> when none runs, or it follows none.</summary>
    public async Task<string?> RegistryAsync(ParseResult parse, CancellationToken cancellationToken) =>
        (string?)(await AskNodeAsync(parse, "/control/chain", cancellationToken))?["registry"];

    /// <summary>The wallet as the node that runs here shows it; without one, its balance by the chain.</summary>
    /// <exception cref="CliException">There is no wallet.</exception>
    /// <exception cref="TonException">The chain did not answer.</exception>
    public async Task<JsonObject> BalanceAsync(ParseResult parse, CancellationToken cancellationToken)
    {
        if (await AskNodeAsync(parse, "/control/wallet", cancellationToken) is { } document)
        {
            return document;
        }

        TonAddress address = Address(parse);
        NetworkProfile profile = await ProfileAsync(parse, readsOnly: true, cancellationToken);
        TonAccount account = await ReadAsync(profile, address, cancellationToken);
        return OnChain.ToJson(new WalletDocument(
            ControlJson.Schema, profile.Name, address.ToFriendly(bounceable: false), address.ToString(), ControlJson.Nanoton(account.Balance), null, null, null, null));
    }

    /// <summary>An account as the chain shows it now.</summary>
    /// <exception cref="TonException">The chain did not answer.</exception>
    public static async Task<TonAccount> ReadAsync(NetworkProfile profile, TonAddress address, CancellationToken cancellationToken)
    {
        using HttpClient http = new();
        return await Client(http, profile).GetAccountAsync(address, cancellationToken);
    }

    public static ITonClient Client(HttpClient http, NetworkProfile profile) => TonClients.CreateHttp(profile, http, TimeProvider.System);

    /// <summary>The wallet for messages one after the other: that of the node that runs here, or opened now.</summary>
    public async Task<ClaimSender> OpenSenderAsync(ParseResult parse, NetworkProfile profile, ITonClient client, CancellationToken cancellationToken) =>
        await AskNodeAsync(parse, "/control/wallet", cancellationToken) is null
            ? ClaimSender.Open(DataPath(parse), Passphrase(parse), profile, client)
            : ClaimSender.Through(new ControlClient(DataPath(parse)));

    /// <summary>The wallet's address, without its passphrase.</summary>
    /// <exception cref="CliException">There is no wallet.</exception>
    public TonAddress Address(ParseResult parse) => TonAddress.Parse((WalletInfo.Read(DataPath(parse))
        ?? throw new CliException(ExitCode.NotFound, "there is no wallet here", null, "Make one with 'cocoon wallet new', or name its directory with --data.")).Address);

    /// <summary>Preview, the owner's word, the messages, and what became of them.</summary>
    /// <param name="name">Names the intention.</param>
    /// <param name="result">What to print in place of the outcome when all went well.</param>
    /// <exception cref="CliException">A message did not do what it should, or there is too little money.</exception>
    public async Task<int> SendAsync(
        ParseResult parse,
        string name,
        string action,
        IReadOnlyList<InternalMessage> messages,
        Func<JsonObject, IEnumerable<(string Label, string Value)>> lines,
        CancellationToken cancellationToken,
        JsonObject? result = null)
    {
        JsonObject? outcome;
        try
        {
            JsonObject body = new()
            {
                ["name"] = name,
                ["action"] = action,
                ["messages"] = new JsonArray([.. messages.Select(m => JsonValue.Create(Convert.ToBase64String(BocWriter.Write(m.ToCell()))))]),
            };
            outcome = await Chain.AskAndPostAsync(parse, "/control/wallet/messages", body, cancellationToken);
        }
        catch (CliException exception) when (exception.ExitCode == ExitCode.NodeNotRunning)
        {
            outcome = await SendAloneAsync(parse, name, action, messages, cancellationToken);
        }

        if (outcome is not null)
        {
            Chain.Print(
                parse,
                outcome["succeeded"]!.GetValue<bool>()
                    ? result ?? outcome
                    : throw new CliException(ExitCode.Payment, "it was sent and did not succeed", outcome["words"]!.ToString(), "The exit codes are in Cocoon.Protocol/Contracts/README.md."),
                lines);
        }

        return ExitCode.Ok;
    }

    private async Task<JsonObject?> SendAloneAsync(
        ParseResult parse, string name, string action, IReadOnlyList<InternalMessage> messages, CancellationToken cancellationToken)
    {
        NetworkProfile profile = await ProfileAsync(parse, readsOnly: false, cancellationToken);
        using DataDirectory directory = DataDirectory.Open(DataPath(parse));
        await using CocoonDatabase database = CocoonDatabase.Open(directory.DatabasePath);
        using HttpClient http = new();
        WalletKey key = new WalletStore(directory, TimeProvider.System).Open(profile, Passphrase(parse));
        await using WalletAccount wallet = new(
            key, Client(http, profile), new SqliteOutboxStore(database), new WalletSenderOptions(), TimeProvider.System, NullLogger<WalletAccount>.Instance);
        Previews previews = new(wallet);
        if (!await Chain.AgreeAsync(parse, OnChain.ToJson(await previews.OfAsync(action, messages, cancellationToken)), cancellationToken))
        {
            return null;
        }

        await previews.RequireAsync(messages, cancellationToken);
        wallet.Start();
        return OnChain.ToJson(WalletActions.Describe(
            await wallet.SendAsync([.. messages.Select((m, i) => new PaymentIntent($"{name}:{i}", m))], cancellationToken)));
    }

    public string? Passphrase(ParseResult parse) => WalletOpening.Passphrase(parse.GetValue(_passphrase));

    private Task<JsonObject?> AskNodeAsync(ParseResult parse, string path, CancellationToken cancellationToken) =>
        ControlClient.AskAsync(DataPath(parse), path, ListCommand.Wait, cancellationToken);

    private string DataPath(ParseResult parse) => Path.GetFullPath(parse.GetValue(Chain.Data)!);
}
