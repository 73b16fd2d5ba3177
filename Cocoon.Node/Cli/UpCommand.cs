using System.CommandLine;
using Cocoon.Node.Hosting;
using Cocoon.Node.Models;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon up</c>: serve a model and earn, or with <c>--no-model</c> only help others find each other.</summary>
internal static class UpCommand
{
    private const ulong NanotonPerTon = 1_000_000_000;

    public static Command Build()
    {
        NodeOptionSet common = new();
        Option<string?> model = new("--model", "-m") { Description = "GGUF file, or name in 'cocoon models', to serve (default: the built-in cocoon-guide)", HelpName = "MODEL" };
        Option<string?> upstream = new("--upstream") { Description = "Serve what an OpenAI-compatible server on this machine answers (vLLM, SGLang, llama-server, Ollama)", HelpName = "URL" };
        Option<string?> upstreamModel = new("--upstream-model") { Description = "The server's name for the model (default: its only one); $COCOON_UPSTREAM_KEY holds its API key", HelpName = "NAME" };
        Option<string?> name = new("--name") { Description = "Model name in offers (default: the file's own)" };
        Option<bool> noModel = new("--no-model") { Description = "Serve no model: bootstrap and DHT node" };
        Option<uint> slots = new("--slots") { Description = "Requests answered at a time", DefaultValueFactory = _ => 4 };
        Option<uint> context = new("--context") { Description = "Tokens of prompt and answer per request (0: the model's, at most 8192)" };
        Option<uint> threads = new("--threads") { Description = "Engine threads (0: chosen)" };
        GpuOptionSet gpu = new();
        Option<uint> work = new("--work-percent") { Description = "Most of the time that the engine may compute, in percent: less power, less noise", DefaultValueFactory = _ => 100 };
        Option<decimal> priceIn = new("--price-in") { Description = "TON per 1,000,000 prompt tokens", DefaultValueFactory = _ => 0.04m };
        Option<decimal> priceCached = new("--price-cached") { Description = "TON per 1,000,000 cached prompt tokens", DefaultValueFactory = _ => 0.01m };
        Option<decimal> priceOut = new("--price-out") { Description = "TON per 1,000,000 completion tokens", DefaultValueFactory = _ => 0.16m };
        Option<string> region = new("--region") { Description = "Region hint in offers", DefaultValueFactory = _ => "" };
        Option<bool> autoPrice = new("--auto-price") { Description = "Let prices follow the load of this machine; those given are the floor" };
        Option<string?> schedule = new("--schedule") { Description = "Hours in which new work is taken, local time, such as 'Mon-Fri 19:00-07:00, Sat-Sun 00:00-24:00'", HelpName = "HOURS" };
        Option<bool> anyway = new("--ignore-memory") { Description = "Load the model although the estimate says that it does not fit" };
        Option<bool> relaysPeers = new("--relay") { Description = "Relay sealed connections of peers behind NATs, within limits: see 'cocoon relay'" };
        Option<bool> relay = new("--privacy-relay") { Description = "Carry other people's circuits: you see neither what they ask nor, with two relays, of whom" };
        Command command = new("up", "Run a provider node: serve a model and earn TON\n\nExample: cocoon up --model qwen3-8b-q4_k_m.gguf --price-out 0.16")
        {
            model, upstream, upstreamModel, name, noModel, slots, context, threads, work, priceIn, priceCached, priceOut, autoPrice, schedule, anyway, region, relaysPeers, relay,
        };
        Option<int> offline = new("--offline-allowance")
        {
            Description = "Seconds to go on serving open channels without a block, beyond half of their challenge: at your own risk",
            HelpName = "SECONDS",
        };
        Option<decimal> threshold = new("--claim-at") { Description = "TON unclaimed on one channel from which it is claimed by itself", DefaultValueFactory = _ => 0.1m };
        command.Options.Add(offline);
        command.Options.Add(threshold);
        gpu.AddTo(command);
        common.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            bool serves = !parse.GetValue(noModel);
            NodeOptions node = common.Read(parse, serves ? NodeRole.Provider : NodeRole.Bootstrap, parse.GetValue(relay), parse.GetValue(relaysPeers));
            Uri? server = parse.GetValue(upstream) is { } url ? UpstreamAddress.Read(url) : null;
            string path = serves && server is null ? FindModel(parse.GetValue(model)) : "";
            if (path.Length > 0 && !parse.GetValue(anyway) && gpu.Read(parse, 0).Layers == 0)
            {
                await CheckMemoryAsync(path, (int)parse.GetValue(slots), (int)parse.GetValue(context), cancellationToken);
            }

            ServingOptions serving = new()
            {
                ModelPath = path,
                Upstream = server,
                UpstreamModel = parse.GetValue(upstreamModel) ?? "",
                UpstreamKey = Environment.GetEnvironmentVariable(UpstreamAddress.KeyVariable) ?? "",
                ModelName = parse.GetValue(name) ?? "",
                Slots = parse.GetValue(slots),
                ContextTokens = parse.GetValue(context),
                Threads = parse.GetValue(threads),
                Gpu = gpu.Read(parse, 0),
                WorkPercent = Math.Clamp(parse.GetValue(work), 1, 100),
                PricePrompt = Nanoton(parse.GetValue(priceIn)),
                PriceCached = Nanoton(parse.GetValue(priceCached)),
                PriceCompletion = Nanoton(parse.GetValue(priceOut)),
                AutoPrice = parse.GetValue(autoPrice),
                Schedule = parse.GetValue(schedule) is { } hours ? ServingSchedule.Parse(hours) : null,
                Region = parse.GetValue(region)!,
                OfflineAllowance = TimeSpan.FromSeconds(Math.Clamp(parse.GetValue(offline), 0, 7 * 86_400)),
                ClaimThresholdNanoton = TonAmount.ToNanoton(parse.GetValue(threshold)),
            };
            return await NodeRunner.RunAsync(
                node, serving, client: null, common.IsVerbose(parse), common.PrintsReadyJson(parse), cancellationToken);
        });
        return command;
    }

    /// <summary>Said before loading: a model that does not fit would be killed in the middle of it, or make the machine swap.</summary>
    private static async Task CheckMemoryAsync(string path, int slots, int context, CancellationToken cancellationToken)
    {
        try
        {
            ModelFacts facts = await ModelInspector.InspectAsync(path, hash: false, cancellationToken);
            MemoryFit fit = MemoryFit.Of(facts, Math.Clamp(slots, 1, 256), context);
            long available = SystemMemory.Available();
            if (fit.Needed > available)
            {
                throw new CliException(
                    ExitCode.CheckFailed,
                    "the model does not fit into memory",
                    $"{Sizes.Words(fit.Needed)} are needed with {fit.Slots} slots of {fit.ContextTokens} tokens, {Sizes.Words(available)} are free",
                    $"Try --slots {Math.Max(1, MemoryFit.MostSlots(facts, fit.ContextTokens, available))}, a smaller --context or quantisation ('cocoon models show'), or --ignore-memory.");
            }
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }
    }

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

    private static ulong Nanoton(decimal ton) => ton is >= 0 and <= 1000
        ? (ulong)(ton * NanotonPerTon)
        : throw new CliException(ExitCode.Usage, $"a price of {ton} TON per 1,000,000 tokens is out of range", "0 to 1000 is allowed");
}
