using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Enclave.Hardening;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Models;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Enclave;

/// <summary>Measures how fast this machine reads and answers with a model, in a process confined as the one that serves it.</summary>
/// <remarks>Lengths of prompts and answers follow from a first short run, so that a slow machine with a large model ends too.</remarks>
internal static class EngineBench
{
    public const string Argument = "--bench";

    private const int MaxPrompt = 256;
    private const int MaxAnswer = 64;
    private const int MinPrompt = 16;
    private const int MinAnswer = 8;
    private const int Context = 512;

    /// <summary>How long one run of one sequence should take at the speed of the first.</summary>
    private const double SecondsPerRun = 1.5;

    /// <summary>One JSON document on <paramref name="output"/>: <c>rates</c>, or <c>error</c> with a word and a sentence.</summary>
    /// <param name="configuration">A <see cref="Configure"/> in protobuf's JSON.</param>
    /// <param name="sequences">How many answers at a time, each measured; ascending.</param>
    public static async Task<int> RunAsync(
        EngineLoader load, string configuration, IReadOnlyList<int> sequences, int rounds, IProcessProtection protection, TextWriter output, CancellationToken cancellationToken)
    {
        protection.ApplyEarly();
        Configure configure = Configure.Parser.ParseJson(configuration);
        bool filterFirst = configure.GpuLayers == 0 || !GpuDevices.MayExist;
        if (filterFirst)
        {
            protection.ApplyFilter();
        }

        JsonObject document;
        int exit = EnclaveHost.ExitOk;
        try
        {
            configure.Slots = (uint)sequences.Max();
            configure.ContextTokens = Context;
            await using IInferenceEngine engine = await load(configure, NullLogger.Instance, TimeProvider.System, cancellationToken);
            if (!filterFirst)
            {
                protection.ApplyFilter();
            }

            document = await MeasureAsync(engine, sequences, rounds, cancellationToken);
        }
        catch (Exception exception) when (exception is EngineException or GgufException or IOException or UnauthorizedAccessException)
        {
            document = new JsonObject { ["error"] = exception is EngineException known ? known.Word : "unreadable", ["message"] = exception.Message };
            exit = ModelDescriber.ExitRefused;
        }

        await output.WriteLineAsync(document.ToJsonString(JsonSerializerOptions.Default));
        await output.FlushAsync(cancellationToken);
        return exit;
    }

    private static async Task<JsonObject> MeasureAsync(IInferenceEngine engine, IReadOnlyList<int> sequences, int rounds, CancellationToken cancellationToken)
    {
        ServedModel model = engine.Models[0];
        bool answers = engine.Info.Capabilities.HasFlag(EngineCapabilities.Completion);
        Rates first = await RunAsync(engine, answers, 1, MinPrompt, MinAnswer, cancellationToken);
        int prompt = Length(first.Prefill, MinPrompt, Math.Min(MaxPrompt, model.ContextPerRequest / 2));
        int answer = Length(first.Decode, MinAnswer, Math.Min(MaxAnswer, model.ContextPerRequest / 4));
        List<Rates>[] runs = [.. sequences.Select(_ => new List<Rates>())];
        for (int round = 0; round < rounds; round++)
        {
            // Interleaved, so that a slow moment of the machine hits all of them.
            for (int i = 0; i < sequences.Count; i++)
            {
                runs[i].Add(await RunAsync(engine, answers, sequences[i], prompt, answer, cancellationToken));
            }
        }

        (string hardware, ulong memory) = EngineDevice.Summarise(engine.Info.Devices);
        return new JsonObject
        {
            ["model"] = model.Name,
            ["model_id"] = model.Id.ToString(),
            ["quantisation"] = model.Quantization,
            ["engine"] = $"{engine.Info.Kind} {engine.Info.Version}",
            ["hardware"] = hardware,
            ["hardware_memory_bytes"] = memory,
            ["prompt_tokens"] = prompt,
            ["answer_tokens"] = answers ? answer : 0,
            ["rounds"] = rounds,
            ["rates"] = new JsonArray(
            [
                .. sequences.Select((count, i) => new JsonObject
                {
                    ["sequences"] = count,
                    ["prefill_tokens_per_second"] = Median(runs[i].Select(r => r.Prefill)),
                    ["decode_tokens_per_second"] = Median(runs[i].Select(r => r.Decode)),
                }),
            ]),
        };
    }

    private static int Length(double rate, int least, int most) => Math.Clamp((int)(rate * SecondsPerRun), least, Math.Max(least, most));

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return Math.Round(sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2, 2);
    }

    /// <summary>Reads that many prompts at once, then gives that many answers at once; tokens per second of all together.</summary>
    private static async Task<Rates> RunAsync(IInferenceEngine engine, bool answers, int sequences, int prompt, int answer, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        if (!answers)
        {
            PromptInput[] inputs = [.. Enumerable.Range(0, sequences).Select(i => Prompt(i, prompt))];
            await foreach (GenerationEvent _ in engine.EmbedAsync(new EmbeddingRequest { Inputs = [.. inputs] }, cancellationToken))
            {
            }

            return new Rates(sequences * prompt / Stopwatch.GetElapsedTime(start).TotalSeconds, 0);
        }

        await Task.WhenAll(Enumerable.Range(0, sequences).Select(i => AnswerAsync(engine, Prompt(i, prompt), 1, cancellationToken)));
        double prefill = sequences * prompt / Stopwatch.GetElapsedTime(start).TotalSeconds;

        // Short prompts, so that all are answering almost at once; the first token of each belongs to its prompt.
        TokenUsage[] used = await Task.WhenAll(Enumerable.Range(0, sequences).Select(i => AnswerAsync(engine, Prompt(i, MinPrompt), answer + 1, cancellationToken)));
        return new Rates(prefill, used.Sum(u => u.CompletionTokens - 1) / used.Max(u => u.Decode).TotalSeconds);
    }

    private static async Task<TokenUsage> AnswerAsync(IInferenceEngine engine, PromptInput prompt, int tokens, CancellationToken cancellationToken)
    {
        GenerationRequest request = new()
        {
            Prompt = prompt,
            Tenant = TenantKey.CreateRandom(),
            Cache = CachePolicy.None,
            Sampling = SamplingOptions.Greedy,
            MaxTokens = tokens,
            IgnoreEnd = true,
        };
        TokenUsage usage = default;
        await foreach (GenerationEvent happened in engine.GenerateAsync(request, cancellationToken))
        {
            if (happened is GenerationEvent.Finished finished)
            {
                usage = finished.Usage;
            }
        }

        return usage;
    }

    private static PromptInput.Tokens Prompt(int sequence, int length) => new([.. Enumerable.Range(0, length).Select(i => 30 + (((i * 7) + sequence) % 200))]);

    private readonly record struct Rates(double Prefill, double Decode);
}
