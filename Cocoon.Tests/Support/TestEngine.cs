using System.Collections.Immutable;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Support;

/// <summary>The embedded engine over a generated model; tests skip by name when the llama.cpp libraries are not there.</summary>
internal static class TestEngine
{
    public static void RequireNatives()
    {
        if (NativesFolder.Find() is null)
        {
            Assert.Ignore("llama.cpp libraries not found (scripts/llama fetches them)");
        }
    }

    public static async Task<LlamaCppEmbedder> LoadEmbedderAsync(int slots = 4, int context = 256, int queue = 64)
    {
        RequireNatives();
        LlamaCppOptions options = new()
        {
            ModelPath = TestModel.Ensure(TestModelMode.Embedding), Slots = slots, ContextPerRequest = context, QueueLimit = queue, Threads = 1,
        };
        return await LlamaCppEmbedder.LoadAsync(options, NullLogger<LlamaCppEmbedder>.Instance, CancellationToken.None);
    }

    public static Task<LlamaCppEngine> LoadAsync(
        TestModelMode mode = TestModelMode.Chain, int slots = 3, int context = 512, int batch = 128, int queue = 64, TimeProvider? time = null,
        TimeSpan? readerTimeout = null, TimeSpan? idleWipe = null)
    {
        RequireNatives();
        LlamaCppOptions options = new()
        {
            ModelPath = TestModel.Ensure(mode),
            Slots = slots,
            ContextPerRequest = context,
            BatchTokens = batch,
            QueueLimit = queue,
            Threads = 1,
            ReaderTimeout = readerTimeout ?? TimeSpan.FromSeconds(30),
            IdleWipe = idleWipe ?? TimeSpan.FromSeconds(60),
        };
        return LlamaCppEngine.LoadAsync(options, NullLogger<LlamaCppEngine>.Instance, time ?? TimeProvider.System, CancellationToken.None);
    }

    /// <summary>All events of a request, the contract of the stream checked on the way.</summary>
    public static async Task<Collected> CollectAsync(this IInferenceEngine engine, GenerationRequest request, CancellationToken cancellationToken = default)
    {
        Collected collected = new(request.Choices);
        await foreach (GenerationEvent happened in engine.GenerateAsync(request, cancellationToken))
        {
            collected.Add(happened);
        }

        Assert.That(collected.Finished, Is.Not.Null, "a stream that ends without exception ends with Finished");
        return collected;
    }

    public static GenerationRequest Text(string prompt, int? maxTokens = 16, TenantKey? tenant = null) => new()
    {
        Prompt = new PromptInput.Text(prompt),
        Tenant = tenant ?? TenantKey.CreateRandom(),
        Sampling = SamplingOptions.Greedy,
        MaxTokens = maxTokens,
    };

    public static GenerationRequest Chat(params ChatMessage[] messages) => new()
    {
        Prompt = new PromptInput.Chat([.. messages]),
        Tenant = TenantKey.CreateRandom(),
        Sampling = SamplingOptions.Greedy,
    };
}

/// <summary>What came out of a request.</summary>
internal sealed class Collected(int choices)
{
    public List<GenerationEvent> Events { get; } = [];

    public GenerationEvent.Started? Started { get; private set; }

    public GenerationEvent.Finished? Finished { get; private set; }

    public string[] Texts { get; } = [.. Enumerable.Repeat("", choices)];

    public List<int>[] Tokens { get; } = [.. Enumerable.Range(0, choices).Select(_ => new List<int>())];

    public List<TokenLogprobs> Logprobs { get; } = [];

    public ImmutableArray<GenerationEvent.ChoiceFinished> Ends => [.. Events.OfType<GenerationEvent.ChoiceFinished>()];

    public string Text => Texts[0];

    public void Add(GenerationEvent happened)
    {
        Assert.That(Finished, Is.Null, "nothing comes after Finished");
        Assert.That(happened is GenerationEvent.Started == (Events.Count == 0), "Started comes first and once");
        Events.Add(happened);
        switch (happened)
        {
            case GenerationEvent.Started started:
                Started = started;
                break;
            case GenerationEvent.Text text:
                Texts[text.Choice] += text.Delta;
                Tokens[text.Choice].AddRange(text.TokenIds);
                Logprobs.AddRange(text.Logprobs);
                break;
            case GenerationEvent.Reasoning reasoning:
                Tokens[reasoning.Choice].AddRange(reasoning.TokenIds);
                break;
            case GenerationEvent.ToolCallStart call:
                Tokens[call.Choice].AddRange(call.TokenIds);
                break;
            case GenerationEvent.ToolCallArguments arguments:
                Tokens[arguments.Choice].AddRange(arguments.TokenIds);
                break;
            case GenerationEvent.Finished finished:
                Finished = finished;
                Assert.That(finished.Usage.CompletionTokens, Is.EqualTo(Tokens.Sum(t => t.Count)), "every generated id is reported");
                Assert.That(finished.Usage.PromptTokens, Is.EqualTo(Started!.PromptTokens));
                Assert.That(finished.Usage.CachedTokens, Is.EqualTo(Started!.CachedTokens));
                Assert.That(Ends.Select(e => e.Choice), Is.EquivalentTo(Enumerable.Range(0, Texts.Length)));
                break;
        }
    }
}
