using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>The embedded engine for models that turn text into vectors.</summary>
/// <remarks>
/// Requests take turns batch by batch, first come first served, so that a long list of one does not keep a single text of another waiting.
/// Nothing is cached: an input leaves no trace after its vector.
/// </remarks>
internal sealed class LlamaCppEmbedder : IInferenceEngine
{
    private readonly LlamaModel _model;
    private readonly EmbeddingContext _context;
    private readonly LlamaCppOptions _options;
    private readonly ServedModel _served;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private int _running;
    private double _tokensPerSecond;
    private readonly ReaderWriterLockSlim _inUse = new();
    private volatile bool _isDisposed;

    private LlamaCppEmbedder(LoadedModel loaded, EmbeddingContext context)
    {
        _model = loaded.Model;
        _context = context;
        _options = loaded.Options;
        Info = new EngineInfo(
            "llama.cpp", loaded.Runtime.Version, loaded.Runtime.Digest, loaded.Devices, EngineCapabilities.Embeddings | EngineCapabilities.TenantIsolation);
        _served = loaded.Describe(context.Capacity, TemplateSource.None, null);
        Models = [_served];
    }

    public EngineInfo Info { get; }

    public IReadOnlyList<ServedModel> Models { get; }

    /// <inheritdoc cref="LoadedModel.LoadAsync"/>
    public static Task<LlamaCppEmbedder> LoadAsync(LlamaCppOptions options, ILogger<LlamaCppEmbedder> logger, CancellationToken cancellationToken) =>
        LoadedModel.LoadAsync(
            options, logger,
            loaded => new LlamaCppEmbedder(loaded, new EmbeddingContext(loaded.Model, options.Slots, loaded.Context, options.EffectiveThreads)), cancellationToken);

    public ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken)
    {
        int running = Volatile.Read(ref _running);
        int busy = Math.Min(running, _options.Slots);
        return ValueTask.FromResult(new EngineHealth(
            !_isDisposed, _isDisposed ? "stopping" : null, _options.Slots, busy, running - busy, 0, Volatile.Read(ref _tokensPerSecond), 0));
    }

    public IAsyncEnumerable<GenerationEvent> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken) =>
        throw new EngineException(EngineErrorCode.UnsupportedParameter, "this model makes embeddings only");

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken)
    {
        _served.Require(model);
        return ValueTask.FromResult(new TokenCount(Encode(prompt, 0).Length, _context.Capacity));
    }

    public async IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int[][] inputs = Prepare(request);
        int dimensions = request.Dimensions ?? int.MaxValue;
        if (Interlocked.Increment(ref _running) > _options.Slots + _options.QueueLimit)
        {
            Interlocked.Decrement(ref _running);
            throw new EngineException(EngineErrorCode.Overloaded, "too many requests are waiting", retryAfter: TimeSpan.FromSeconds(1));
        }

        try
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
            using GateWatch gate = new(request.Gate);
            int total = inputs.Sum(i => i.Length);
            yield return new GenerationEvent.Started(total, 0);
            long startedAt = Stopwatch.GetTimestamp();
            int done = 0;
            for (int next = 0; next < inputs.Length;)
            {
                int[][] batch = Batch(inputs, next);
                int upTo = done + batch.Sum(i => i.Length);
                bool isTold = false;
                while (!gate.Allows(upTo, 0, 0))
                {
                    if (!isTold)
                    {
                        isTold = true;
                        yield return new GenerationEvent.Parked(upTo, 0, 0);
                    }

                    await gate.WaitAsync(either.Token);
                }

                float[][] vectors = await RunAsync(batch, either.Token, cancellationToken);
                done = upTo;
                yield return new GenerationEvent.PrefillProgress(done, total);
                foreach (float[] vector in vectors)
                {
                    yield return new GenerationEvent.Embedding(next++, Shorten(vector, dimensions));
                }
            }

            yield return new GenerationEvent.Finished(
                FinishReason.Stop, new TokenUsage(total, 0, 0, 0, Stopwatch.GetElapsedTime(startedAt), TimeSpan.Zero));
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        await _stop.CancelAsync();
        await _turn.WaitAsync();
        _inUse.EnterWriteLock();
        try
        {
            _context.Dispose();
            _model.Dispose();
            LlamaLog.EndServing();
        }
        finally
        {
            _inUse.ExitWriteLock();
            _turn.Release();
        }
    }

    private int[][] Prepare(EmbeddingRequest request)
    {
        _served.Require(request.Model);
        if (request.Inputs.IsDefaultOrEmpty || request.Inputs.Length > RequestChecks.MaxInputs)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"an embedding request has 1 to {RequestChecks.MaxInputs} inputs");
        }

        if (request.Dimensions is <= 0)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, "dimensions must be at least 1");
        }

        return [.. request.Inputs.Select(Encode)];
    }

    private int[] Encode(PromptInput input, int index)
    {
        int[] tokens = input switch
        {
            PromptInput.Text { Value: var text } when text.Length > (_context.Capacity * 32L) + 65_536 => throw TooLong(index, text.Length / 4),
            PromptInput.Text { Value: var text } => EncodeText(text),
            PromptInput.Tokens { Ids: var ids } when ids.All(id => id >= 0 && id < _model.Vocabulary.Count) => [.. ids],
            PromptInput.Tokens => throw new EngineException(EngineErrorCode.InvalidRequest, "a token id is outside the vocabulary"),
            _ => throw new EngineException(EngineErrorCode.InvalidRequest, "this model reads text, not conversations"),
        };
        return tokens.Length == 0
            ? throw new EngineException(EngineErrorCode.InvalidRequest, $"input {index} is empty")
            : tokens.Length > _context.Capacity ? throw TooLong(index, tokens.Length) : tokens;
    }

    private int[] EncodeText(string text)
    {
        // Tokenizing runs on callers' threads and must not outlive the model.
        _inUse.EnterReadLock();
        try
        {
            return _isDisposed
                ? throw new EngineException(EngineErrorCode.Unavailable, "the engine is stopping")
                : text.Length == 0 ? [] : _model.Vocabulary.TokenizeWhole(text);
        }
        finally
        {
            _inUse.ExitReadLock();
        }
    }

    private EngineException TooLong(int index, int needed) => new(
        EngineErrorCode.ContextLengthExceeded, $"input {index} has {needed} tokens and the model reads {_context.Capacity}", needed, _context.Capacity);

    /// <summary>As many inputs from here on as fit into one batch; at least one.</summary>
    private int[][] Batch(int[][] inputs, int from)
    {
        int count = 0;
        for (int tokens = 0; count < _context.Sequences && from + count < inputs.Length; count++)
        {
            tokens += inputs[from + count].Length;
            if (tokens > _context.Capacity)
            {
                break;
            }
        }

        return inputs[from..(from + count)];
    }

    private async Task<float[][]> RunAsync(int[][] batch, CancellationToken either, CancellationToken cancellationToken)
    {
        try
        {
            await _turn.WaitAsync(either);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EngineException(EngineErrorCode.Unavailable, "the engine is stopping");
        }

        try
        {
            return _isDisposed
                ? throw new EngineException(EngineErrorCode.Unavailable, "the engine is stopping")
                : await Task.Run(() => Embed(batch), CancellationToken.None);
        }
        finally
        {
            _turn.Release();
        }
    }

    private float[][] Embed(int[][] batch)
    {
        long before = Stopwatch.GetTimestamp();
        float[][] vectors = _context.Embed(batch);
        double rate = batch.Sum(i => i.Length) / Stopwatch.GetElapsedTime(before).TotalSeconds;
        Volatile.Write(ref _tokensPerSecond, _tokensPerSecond == 0 ? rate : (0.8 * _tokensPerSecond) + (0.2 * rate));
        return vectors;
    }

    private static ImmutableArray<float> Shorten(float[] vector, int dimensions)
    {
        float[] kept = dimensions < vector.Length ? vector[..dimensions] : vector;
        double length = Math.Sqrt(kept.Sum(v => (double)v * v));
        for (int i = 0; length > 0 && i < kept.Length; i++)
        {
            kept[i] = (float)(kept[i] / length);
        }

        return ImmutableCollectionsMarshal.AsImmutableArray(kept);
    }
}
