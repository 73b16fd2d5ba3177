using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave;

/// <summary>One short generation before the enclave says that it is ready: offers then carry measured rates, and the first client does not pay for warming up.</summary>
internal static class Calibration
{
    private const int Tokens = 32;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private static readonly string s_prompt = string.Join(' ', Enumerable.Repeat("one two three four five six seven eight", 8));

    /// <summary>Never fails: a model that cannot do this shows it in its health.</summary>
    public static async Task RunAsync(IInferenceEngine engine, TimeProvider time, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(Limit, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        GenerationRequest request = new()
        {
            Prompt = new PromptInput.Text(s_prompt),
            Tenant = TenantKey.CreateRandom(),
            Cache = CachePolicy.None,
            Sampling = SamplingOptions.Greedy,
            MaxTokens = Tokens,
            IgnoreEnd = true,
        };
        try
        {
            await foreach (GenerationEvent _ in engine.GenerateAsync(request, linked.Token))
            {
                // Only the time matters.
            }
        }
        catch (Exception exception) when (exception is EngineException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Unmeasured rates are 0, which readers know as unknown.
        }
    }
}
