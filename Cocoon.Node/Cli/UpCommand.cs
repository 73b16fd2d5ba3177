using System.CommandLine;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Hosting;
using Cocoon.Node.Models;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon up</c>: serve a model and earn, or with <c>--no-model</c> only help others find each other.</summary>
internal static class UpCommand
{
    public static Command Build()
    {
        NodeOptionSet common = new();
        ModelOptionSet models = new();
        Option<bool> noModel = new("--no-model") { Description = "Serve no model: bootstrap and DHT node" };
        Option<string> region = new("--region") { Description = "Region hint in offers", DefaultValueFactory = _ => "" };
        Option<bool> autoPrice = new("--auto-price") { Description = "Let prices follow the load of this machine; those given are the floor" };
        Option<string?> schedule = new("--schedule") { Description = "Hours in which new work is taken, local time, such as 'Mon-Fri 19:00-07:00, Sat-Sun 00:00-24:00'", HelpName = "HOURS" };
        Option<bool> anyway = new("--ignore-memory") { Description = "Load the model although the estimate says that it does not fit" };
        Option<decimal?> vram = TypedNumber.Option("--vram-limit", "Most GiB to take of each GPU (0: what is free)").Within(0, 1 << 20);
        Option<uint> power = new Option<uint>("--power-limit") { Description = "Most watts of each NVIDIA GPU, as long as the node runs; needs root (0: as it is)", HelpName = "WATTS" }.Within(0, 10_000);
        Option<int> sessions = new Option<int>("--max-sessions") { Description = "Sessions open at a time, those that wait for their request included", DefaultValueFactory = _ => 256 }.Within(1, EnclaveLimits.MaxSessions);
        Option<bool> relaysPeers = new("--relay") { Description = "Relay sealed connections of peers behind NATs, within limits: see 'cocoon relay'" };
        Option<bool> relay = new("--privacy-relay") { Description = "Carry other people's circuits: you see neither what they ask nor, with two relays, of whom" };
        Command command = new("up", "Run a provider node: serve a model and earn TON\n\nExample: cocoon up --model qwen3-8b --price-out 0.16 --model nomic-embed --price-out 0.01")
        {
            noModel, autoPrice, schedule, anyway, vram, power, sessions, region, relaysPeers, relay,
        };
        Option<int> offline = new Option<int>("--offline-allowance")
        {
            Description = "Seconds to go on serving open channels without a block, beyond half of their challenge: at your own risk",
            HelpName = "SECONDS",
        }.Within(0, 7 * 86_400);
        Option<TonAmount> threshold = TonAmount.Option("--claim-at", "TON unclaimed on one channel from which it is claimed by itself", 100_000_000);
        Option<string?> bond = new("--bond") { Description = "Address of this node's stake ('cocoon bond stake'): offers name it, and prices are signed for it", HelpName = "ADDRESS" };
        command.Options.Add(offline);
        command.Options.Add(bond);
        command.Options.Add(threshold);
        models.AddTo(command);
        common.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            bool serves = !parse.GetValue(noModel);
            if (!serves && models.NamesAny(parse))
            {
                throw new CliException(ExitCode.Usage, "--no-model excludes --model and --upstream", "the node would serve nothing of what they name");
            }

            NodeOptions node = common.Read(parse, serves ? NodeRole.Provider : NodeRole.Bootstrap, parse.GetValue(relay), parse.GetValue(relaysPeers));
            IReadOnlyList<ModelServingOptions> served = serves ? [.. models.Read(parse, FindModel).Select(AsStored)] : [];
            if (serves && served[0].Upstream is null && !parse.GetValue(anyway))
            {
                served = await MemoryCheck.PlaceAsync(served, (long)((parse.GetValue(vram) ?? 0) * (1 << 30)), cancellationToken);
            }

            ServingOptions serving = new()
            {
                Models = served,
                MaxSessions = parse.GetValue(sessions),
                AutoPrice = parse.GetValue(autoPrice),
                Schedule = parse.GetValue(schedule) is { } hours ? ServingSchedule.Parse(hours) : null,
                Bond = parse.GetValue(bond) is { } stake ? TypedAddress.Read(stake) : null,
                Region = Hint("region", parse.GetValue(region)!),
                OfflineAllowance = TimeSpan.FromSeconds(parse.GetValue(offline)),
                ClaimThresholdNanoton = parse.GetValue(threshold).Nanoton,
            };
            await using PowerLimitKeeper? limit = parse.GetValue(power) switch
            {
                0 => null,
                var watts => await PowerLimitKeeper.StartAsync(watts, cancellationToken),
            };
            foreach (string gpu in limit?.Gpus ?? [])
            {
                await Console.Error.WriteLineAsync(gpu);
            }

            return await NodeRunner.RunAsync(
                node, serving, client: null, common.IsVerbose(parse), common.PrintsReadyJson(parse), cancellationToken);
        });
        return command;
    }

    /// <summary>Others drop an offer with a longer text, and then this node is known to nobody.</summary>
    private static string Hint(string what, string text) => text.Length <= OfferLimits.MaxText
        ? text
        : throw new CliException(ExitCode.Usage, $"that {what} is too long", $"at most {OfferLimits.MaxText} characters go into an offer");

    /// <summary>A model of the store goes by its name there, unless its owner gave another.</summary>
    private static ModelServingOptions AsStored(ModelServingOptions model) => ModelFinder.Stored(model.ModelPath) is { } stored
        ? model with { ModelName = model.ModelName.Length > 0 ? model.ModelName : stored.Name, StoredModelId = stored.ModelId }
        : model;

    private static string FindModel(string? path)
    {
        string chosen;
        try
        {
            chosen = ModelFinder.Resolve(path);
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }

        // The enclave reads the file thoroughly; this only spares an owner the wait for a plain mistake.
        Span<byte> magic = stackalloc byte[4];
        using FileStream file = File.OpenRead(chosen);
        return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8)
            ? chosen
            : throw new CliException(ExitCode.Usage, $"{chosen} is no GGUF file", "it does not begin with the letters GGUF", "Give a model in GGUF form.");
    }
}
