using System.Diagnostics;
using System.Globalization;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Our engine as a process that <c>scripts/bench</c> measures: lines "sequences prompt tokens" in, "seconds first-token-seconds generated" out.</summary>
internal static class EngineBenchTool
{
    public const string Verb = "bench-engine";
    public const string ModelVerb = "bench-model";

    public const string SayVerb = "engine-say";

    /// <summary>One greedy answer with as many layers as possible on a GPU, after a line per device: for machines and libraries chosen by the environment.</summary>
    public static async Task<int> SayAsync(string model, TextWriter output)
    {
        LlamaCppOptions options = new() { ModelPath = model, Slots = 2, ContextPerRequest = 256, Threads = 1 };
        await using LlamaCppEngine engine = await LlamaCppEngine.LoadAsync(options, NullLogger<LlamaCppEngine>.Instance, TimeProvider.System, CancellationToken.None);
        foreach (EngineDevice device in engine.Info.Devices)
        {
            await output.WriteLineAsync($"{device.Backend}|{device.Kind}|{device.Description}|{device.MemoryTotal}");
        }

        await output.WriteLineAsync((await engine.CollectAsync(TestEngine.Chat(new ChatMessage("user", "Hello")))).Text);
        return 0;
    }

    /// <summary>Writes the model of a size when it is not there yet, and says where it is.</summary>
    public static int WriteModel(string size, TextWriter output)
    {
        output.WriteLine(size == "tiny"
            ? TestModel.Ensure(TestModelMode.Chain)
            : TestModel.Ensure(TestModelMode.Chain, TestModelSize.Bench, TestModelWeights.Q4));
        return 0;
    }

    public static async Task<int> RunAsync(string model, int slots, int context, TextReader input, TextWriter output)
    {
        LlamaCppOptions options = new() { ModelPath = model, Slots = slots, ContextPerRequest = context, BatchTokens = 512, Threads = 1, Gpu = GpuPlacement.CpuOnly, CheckTensors = false };
        await using LlamaCppEngine engine = await LlamaCppEngine.LoadAsync(options, NullLogger<LlamaCppEngine>.Instance, TimeProvider.System, CancellationToken.None);
        await output.WriteLineAsync("ready");
        while (await input.ReadLineAsync() is { } line)
        {
            int[] asked = [.. line.Split(' ').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
            long start = Stopwatch.GetTimestamp();
            (TimeSpan First, int Tokens)[] all = await Task.WhenAll(Enumerable.Range(0, asked[0]).Select(i => GenerateAsync(engine, i, asked[1], asked[2], start)));
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"{seconds:F6} {all.Max(a => a.First).TotalSeconds:F6} {all.Sum(a => a.Tokens)}"));
        }

        return 0;
    }

    private static async Task<(TimeSpan First, int Tokens)> GenerateAsync(LlamaCppEngine engine, int index, int prompt, int tokens, long start)
    {
        GenerationRequest request = new()
        {
            Prompt = new PromptInput.Tokens([.. Enumerable.Range(0, prompt).Select(i => 30 + (((i * 7) + index) % 200))]),
            Tenant = TenantKey.CreateRandom(),
            Cache = CachePolicy.None,
            Sampling = SamplingOptions.Greedy,
            MaxTokens = tokens,
            IgnoreEnd = true,
        };
        TimeSpan first = default;
        int made = 0;
        await foreach (GenerationEvent happened in engine.GenerateAsync(request, CancellationToken.None))
        {
            if (happened is GenerationEvent.Text text)
            {
                first = made == 0 ? Stopwatch.GetElapsedTime(start) : first;
                made += text.TokenIds.Length;
            }
        }

        return (first, made);
    }
}
