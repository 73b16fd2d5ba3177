using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Node.Cli.Rendering;
using Cocoon.Node.Control;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Hosting;
using Cocoon.Node.Models;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Node.Cli;

/// <summary><c>cocoon bench</c>: how fast a model reads and answers on this machine, and what to offer it for.</summary>
internal static class BenchCommand
{
    private static readonly Column[] Columns =
    [
        new("sequences", "ANSWERS AT A TIME", IsRight: true) { IsKey = true },
        new("prefill_tokens_per_second", "PREFILL TOK/S", r => Words.Number(r["prefill_tokens_per_second"]), IsRight: true),
        new("decode_tokens_per_second", "DECODE TOK/S", r => Words.Number(r["decode_tokens_per_second"]), IsRight: true),
        new("decode_each", "EACH", r => Words.Number(r["decode_each"]), IsRight: true),
    ];

    public static Command Build()
    {
        Argument<string?> model = new("model") { Description = "GGUF file, or name in 'cocoon models' (default: the built-in cocoon-guide)", Arity = ArgumentArity.ZeroOrOne };
        Option<int[]> sequences = new Option<int[]>("--sequences") { Description = "Answers at a time to measure; several after spaces", HelpName = "N", DefaultValueFactory = _ => [1, 2, 4, 8], AllowMultipleArgumentsPerToken = true }.Within(1, 64);
        Option<int> rounds = new Option<int>("--rounds") { Description = "Measurements of each; the median counts", DefaultValueFactory = _ => 3 }.Within(1, 99);
        Option<uint> context = ModelOptionSet.Context("Tokens of prompt and answer per request to offer", 0u);
        Option<uint> threads = ModelOptionSet.Threads(0u);
        Option<TonAmount?> perHour = TonAmount.Option("--per-hour", "TON that an hour of this machine has to bring, from which prices follow (default: the prices of 'cocoon up')");
        GpuOptionSet gpu = new();
        RowOptionSet rows = new();
        Command command = new("bench", "Measure a model here, and the offer it implies\n\nExample: cocoon bench qwen3-8b --per-hour 0.05") { model, sequences, rounds, context, threads, perHour };
        gpu.AddTo(command);
        rows.AddTo(command);
        command.Run(async (parse, cancellationToken) =>
        {
            int[] counts = [.. parse.GetValue(sequences)!.Distinct().Order()];
            if (parse.GetValue(perHour) is { } hour && (hour.Nanoton == 0 || hour.Nanoton > TonAmount.MostPrice.Nanoton))
            {
                throw new CliException(ExitCode.Usage, "what an hour has to bring is out of range", "more than 0 and at most 1000 TON is allowed");
            }

            return await RunAsync(
                parse.GetValue(model), counts, parse.GetValue(rounds), parse.GetValue(context), parse.GetValue(threads),
                gpu.Read(parse, 0), parse.GetValue(perHour)?.Nanoton / 1_000_000_000m, rows.Read(parse), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        string? name, IReadOnlyList<int> sequences, int rounds, uint context, uint threads, GpuOptions gpu, decimal? perHour, RowOptions options, CancellationToken cancellationToken)
    {
        JsonObject document;
        try
        {
            string path = ModelFinder.Resolve(name);
            ModelFacts facts = await ModelInspector.InspectAsync(path, hash: false, cancellationToken);
            await Console.Error.WriteLineAsync($"measuring {Path.GetFileName(path)} at {string.Join(", ", sequences)} answers at a time, {rounds} rounds");
            Configure configure = new() { ModelPath = path, Threads = threads };
            gpu.Configure(configure);
            document = Read(path, await ConfinedReader.ReadAsync(EnclaveLaunch.Bench(configure, sequences, rounds), cancellationToken));
            Complete(document, name ?? BuiltInModel.Name, facts, (int)context, perHour);
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }

        RowWriter.Write(document, "rates", Columns, options, Console.Out);
        if (options is { Format: OutputFormat.Table, IsQuiet: false })
        {
            Console.WriteLine();
            RowWriter.WriteObject(document, OutputFormat.Table, Lines, Console.Out);
        }

        return ExitCode.Ok;
    }

    private static JsonObject Read(string path, string text)
    {
        JsonObject? document;
        try
        {
            document = JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            document = null;
        }

        return document switch
        {
            null => throw new ModelException(
                ModelErrorCode.Refused, $"{Path.GetFileName(path)} could not be measured", "the engine ended without an answer; its memory may not suffice", "See 'cocoon models show' and 'cocoon gpu'."),
            _ when document["error"] is not null => throw new ModelException(
                ModelErrorCode.Refused, $"{Path.GetFileName(path)} could not be measured", document["message"]?.ToString()),
            _ => document,
        };
    }

    private static void Complete(JsonObject document, string name, ModelFacts facts, int context, decimal? perHour)
    {
        List<MeasuredRate> rates = [];
        foreach (JsonObject row in document["rates"]!.AsArray().OfType<JsonObject>())
        {
            MeasuredRate rate = new((int)row["sequences"]!, (double)row["prefill_tokens_per_second"]!, (double)row["decode_tokens_per_second"]!);
            row["decode_each"] = Math.Round(rate.Decode / rate.Sequences, 2);
            rates.Add(rate);
        }

        MemoryFit fit = MemoryFit.Of(facts, 1, context);
        int most = MemoryFit.MostSlots(facts, fit.ContextTokens, SystemMemory.Available());
        ImpliedOffer offer = ImpliedOffer.Of(rates, Math.Max(1, most), perHour);
        document["schema"] = ControlJson.Schema;
        document["offer"] = new JsonObject
        {
            ["model"] = name,
            ["slots"] = offer.Slots,
            ["context_tokens"] = fit.ContextTokens,
            ["prefill_tokens_per_second"] = offer.Prefill,
            ["decode_tokens_per_second"] = offer.Decode,
            ["price_in_nanoton"] = ControlJson.Nanoton(offer.Prices.Prompt),
            ["price_cached_nanoton"] = ControlJson.Nanoton(offer.Prices.Cached),
            ["price_out_nanoton"] = ControlJson.Nanoton(offer.Prices.Completion),
            ["per_hour_nanoton"] = ControlJson.Nanoton(offer.NanotonPerBusyHour),
            ["utilisation"] = AutoPrice.Target,
        };
    }

    private static IEnumerable<(string Label, string Value)> Lines(JsonObject d)
    {
        JsonObject offer = d["offer"]!.AsObject();
        string Price(string which) => Words.Ton(offer[$"price_{which}_nanoton"]);
        yield return ("MEASURED", $"{d["model"]} {d["quantisation"]} on {d["hardware"]}, {d["engine"]}: prompts of {d["prompt_tokens"]}, answers of {d["answer_tokens"]} tokens, median of {d["rounds"]}");
        yield return ("OFFER", $"{offer["slots"]} slots of {offer["context_tokens"]} tokens, prefill {Words.Number(offer["prefill_tokens_per_second"])} tokens/s, decode {Words.Number(offer["decode_tokens_per_second"])} tokens/s");
        yield return ("PRICE", $"in {Price("in")}  cached {Price("cached")}  out {Price("out")}  TON per 1,000,000 tokens");
        yield return ("BRINGS", $"{Words.Ton(offer["per_hour_nanoton"])} TON an hour of answers at {((double)offer["utilisation"]!).ToString("0%", CultureInfo.InvariantCulture)} load");
        yield return ("NEXT", $"cocoon up --model {offer["model"]} --slots {offer["slots"]} --price-in {Price("in")} --price-cached {Price("cached")} --price-out {Price("out")}");
    }
}
