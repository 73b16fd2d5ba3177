namespace Cocoon.Enclave.Inference;

/// <summary>Turns requests into tokens. One implementation per kind of engine; all pass the same conformance suite.</summary>
/// <remarks>Safe for concurrent use. Disposal cancels what runs and waits for it.</remarks>
internal interface IInferenceEngine : IAsyncDisposable
{
    EngineInfo Info { get; }

    IReadOnlyList<ServedModel> Models { get; }

    ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Runs one request. The stream yields <see cref="GenerationEvent.Started"/> first and ends with exactly one
    /// <see cref="GenerationEvent.Finished"/>, or throws exactly one exception: <see cref="EngineException"/>, or
    /// <see cref="OperationCanceledException"/> when <paramref name="cancellationToken"/> fired or enumeration was abandoned.
    /// Every generated token id is in exactly one event, also ids whose text is special, suppressed or still held back.
    /// </summary>
    /// <remarks>
    /// Work begins with the first <c>MoveNextAsync</c>. Cancelling, or disposing the enumerator, frees the slot within one decode step.
    /// A slow reader never stalls other requests: deltas coalesce, bounded by the context.
    /// </remarks>
    IAsyncEnumerable<GenerationEvent> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Runs one embedding request: <see cref="GenerationEvent.Started"/> with the tokens of all inputs, progress, one
    /// <see cref="GenerationEvent.Embedding"/> per input in order, <see cref="GenerationEvent.Finished"/>. Otherwise as
    /// <see cref="GenerateAsync"/>; refused by an engine without <see cref="EngineCapabilities.Embeddings"/>.
    /// </summary>
    IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken);

    /// <summary>Renders and tokenizes without generating: admission, and price quotes before paying.</summary>
    ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken);
}
