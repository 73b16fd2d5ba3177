using System.CommandLine;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Hosting;
using Cocoon.Node.Payments;
using Cocoon.Node.Registry;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Toncenter;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon registry</c>: the policy contract. Deploying one is for whoever runs a network of their own, such as a devnet.</summary>
internal static class RegistryCommand
{
    public static Command Build() => new("registry", "The registry contract: bootstrap list, parameters, lists of measurements and models")
    {
        BuildShow(),
        BuildDeploy(),
    };

    private static Command BuildShow()
    {
        Option<string[]> ton = Endpoint();
        Option<OutputFormat> output = CommonOptions.Output();
        Argument<string> address = new("address") { Description = "The registry's address" };
        Command command = new("show", "What a registry says now\n\nExample: cocoon registry show EQ… --ton http://127.0.0.1:8081/api/v2") { address, ton, output };
        command.Run(async (parse, cancellationToken) =>
        {
            using HttpClient http = new();
            ToncenterClient client = Client(http, parse.GetValue(ton)!);
            TonAddress registry = TonAddress.TryParse(parse.GetValue(address), out TonAddress parsed)
                ? parsed
                : throw new CliException(ExitCode.Usage, "that is no TON address");
            TonAccount account = await client.GetAccountAsync(registry, cancellationToken);
            if (account.Data is null || account.Code?.Hash != RegistryContract.CodeHash)
            {
                throw new CliException(ExitCode.NotFound, "there is no registry of this version at that address");
            }

            RegistryState state = RegistryContract.ParseState(account.Data);
            JsonObject document = new()
            {
                ["schema"] = ControlJson.Schema,
                ["address"] = registry.ToFriendly(bounceable: true),
                ["admin"] = state.Admin.ToFriendly(bounceable: false),
                ["version"] = state.Version,
                ["time_lock_seconds"] = state.TimeLock,
                ["bootstrap"] = new JsonArray([.. state.Bootstrap.Select(b => JsonValue.Create(b))]),
                ["min_challenge_seconds"] = state.Params.MinChallenge,
            };
            RowWriter.WriteObject(document, parse.GetValue(output), d => d.Where(e => e.Key != "schema").Select(e => (e.Key, e.Value!.ToString())), Console.Out);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Command BuildDeploy()
    {
        Option<string> data = CommonOptions.Data();
        Option<string[]> ton = Endpoint();
        Option<OutputFormat> output = CommonOptions.Output();
        Option<bool> yes = CommonOptions.Yes();
        Option<string> network = new("--network") { Description = "devnet or testnet", DefaultValueFactory = _ => "devnet" };
        Option<string[]> bootstrap = new("--bootstrap") { Description = "Bootstrap multiaddr to list; may be repeated", DefaultValueFactory = _ => [] };
        Option<string?> passphrase = new("--passphrase-file") { Description = "File with the wallet's passphrase", HelpName = "FILE" };
        Option<uint> timeLock = new("--time-lock") { Description = "Seconds that additions wait in public", DefaultValueFactory = _ => RegistryDeployer.DefaultTimeLock };
        Command command = new("deploy", "Put a registry on a chain; this wallet becomes its admin") { data, ton, output, yes, network, bootstrap, passphrase, timeLock };
        command.Run(async (parse, cancellationToken) =>
        {
            Confirmation.Ask("deploy a registry: 0.2 TON stay in it for rent, plus about 0.002 TON of fees", parse.GetValue(yes));
            using DataDirectory directory = DataDirectory.Open(parse.GetValue(data)!);
            await using CocoonDatabase database = CocoonDatabase.Open(directory.DatabasePath);
            using HttpClient http = new();
            ToncenterClient client = Client(http, parse.GetValue(ton)!);
            try
            {
                NetworkProfile profile = Networks.Resolve(parse.GetValue(network)!, [.. parse.GetValue(ton)!.Select(NodeOptionSet.ParseEndpoint)], confirmed: false);
                WalletKey key = new WalletStore(directory, TimeProvider.System).Open(profile, WalletOpening.Passphrase(parse.GetValue(passphrase)));
                await using WalletAccount wallet = new(
                    key, client, new SqliteOutboxStore(database), new WalletSenderOptions(), TimeProvider.System, NullLogger<WalletAccount>.Instance);
                wallet.Start();
                TonAddress registry = await new RegistryDeployer(wallet, client, TimeProvider.System)
                    .DeployAsync(parse.GetValue(timeLock), RegistryDeployer.DefaultParams, parse.GetValue(bootstrap)!, cancellationToken);
                RowWriter.WriteObject(
                    new JsonObject { ["schema"] = ControlJson.Schema, ["address"] = registry.ToFriendly(bounceable: true), ["raw_address"] = registry.ToString() },
                    parse.GetValue(output),
                    d => [("REGISTRY", d["address"]!.ToString())],
                    Console.Out);
                return ExitCode.Ok;
            }
            catch (PaymentException exception)
            {
                throw new CliException(ExitCode.Payment, "the registry was not deployed", exception.Message);
            }
        });
        return command;
    }

    private static Option<string[]> Endpoint() => new("--ton") { Description = "toncenter-v2 endpoint", Required = true, HelpName = "URL" };

    private static ToncenterClient Client(HttpClient http, string[] endpoints) =>
        new(http, new ToncenterOptions { Endpoints = [.. endpoints.Select(e => new ToncenterEndpoint(NodeOptionSet.ParseEndpoint(e)))] });
}
