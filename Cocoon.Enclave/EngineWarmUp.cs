using Cocoon.Enclave.Inference;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave;

/// <summary>One short generation of our own text, before anybody's.</summary>
internal static partial class EngineWarmUp
{
    private const int Tokens = 24;

    // What llama.cpp computes a step in stays as large as the largest step so far: no larger than what eight short requests make of it.
    private static readonly PromptInput Prompt = new PromptInput.Text(string.Concat(Enumerable.Repeat("A node measures how fast it reads and writes. ", 4)));

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Measures and warms; a failure or a slow machine only costs the figures.</summary>
    public static async Task RunAsync(IInferenceEngine engine, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(Limit, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            IAsyncEnumerable<GenerationEvent> events = engine.Info.Capabilities.HasFlag(EngineCapabilities.Completion)
                ? engine.GenerateAsync(Generation(), either.Token)
                : engine.EmbedAsync(new EmbeddingRequest { Inputs = [Prompt] }, either.Token);
            await foreach (GenerationEvent happened in events)
            {
                if (happened is GenerationEvent.Finished finished)
                {
                    Log.Measured(logger, finished.Usage.PromptTokens, finished.Usage.Prefill, finished.Usage.CompletionTokens, finished.Usage.Decode);
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Log.TooSlow(logger);
        }
        catch (EngineException e)
        {
            Log.Failed(logger, e.Word);
        }
    }

    private static GenerationRequest Generation() => new()
    {
        Prompt = Prompt,
        Tenant = TenantKey.CreateRandom(),
        Cache = CachePolicy.None,
        Sampling = SamplingOptions.Greedy,
        MaxTokens = Tokens,
        IgnoreEnd = true,
    };

    private static partial class Log
    {
        [LoggerMessage(8021, LogLevel.Information, "warm-up: {Prompt} prompt tokens in {Prefill}, {Completion} tokens in {Decode}")]
        public static partial void Measured(ILogger logger, int prompt, TimeSpan prefill, int completion, TimeSpan decode);

        [LoggerMessage(8022, LogLevel.Warning, "warm-up stopped at its time limit")]
        public static partial void TooSlow(ILogger logger);

        [LoggerMessage(8023, LogLevel.Warning, "warm-up failed: {Word}")]
        public static partial void Failed(ILogger logger, string word);
    }
}
