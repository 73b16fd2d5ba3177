using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Inference;

namespace Cocoon.Tests.Enclave.Sessions;

/// <summary>An engine without a model: answers "word0 word1 …", one token a word, and keeps the contract of gate and cancellation.</summary>
internal sealed class FakeEngine : IInferenceEngine
{
    public const int PromptTokens = 10;

    public FakeEngine()
    {
        ModelManifest manifest = new([new ModelFile(100, [.. SHA256.HashData("weights"u8)])], 10, [.. new byte[32]], [.. new byte[32]]);
        Models = [new ServedModel("fake", manifest, "fake", "F16", 1, 1, 4096, 4, TemplateSource.Model, null)];
    }

    /// <summary>Words when the request has no limit.</summary>
    public int Words { get; set; } = 8;

    /// <summary>Released once before each token, when set.</summary>
    public SemaphoreSlim? Step { get; set; }

    public Exception? Failure { get; set; }

    public ConcurrentQueue<GenerationRequest> Requests { get; } = new();

    public EngineInfo Info { get; } = new("fake", "1", "", [], EngineCapabilities.Chat | EngineCapabilities.Completion);

    public IReadOnlyList<ServedModel> Models { get; }

    public ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult(new EngineHealth(true, null, 4, 0, 0, 0, 0, 0));

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new TokenCount(PromptTokens, 4096));

    public IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken) =>
        throw new EngineException(EngineErrorCode.UnsupportedParameter, "this model has no embeddings");

    public async IAsyncEnumerable<GenerationEvent> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Requests.Enqueue(request);
        using Wake wake = new(request.Gate);
        await Task.Yield();
        yield return new GenerationEvent.Started(PromptTokens, 2);
        await foreach (GenerationEvent parked in wake.ReserveAsync(PromptTokens, 0, cancellationToken))
        {
            yield return parked;
        }

        yield return new GenerationEvent.PrefillProgress(PromptTokens, PromptTokens);
        int words = Math.Min(Words, request.MaxTokens ?? int.MaxValue);
        for (int i = 0; i < words; i++)
        {
            await foreach (GenerationEvent parked in wake.ReserveAsync(PromptTokens, i + 1, cancellationToken))
            {
                yield return parked;
            }

            await (Step?.WaitAsync(cancellationToken) ?? Task.CompletedTask);
            cancellationToken.ThrowIfCancellationRequested();
            if (Failure is not null && i == words / 2)
            {
                throw Failure;
            }

            yield return new GenerationEvent.Text(0, $"word{i} ", [i], []);
        }

        FinishReason reason = words < Words ? FinishReason.Length : FinishReason.Stop;
        yield return new GenerationEvent.ChoiceFinished(0, reason, null);
        yield return new GenerationEvent.Finished(reason, new TokenUsage(PromptTokens, 2, words, 0, default, default));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Wake : IDisposable
    {
        private readonly TokenGate? _gate;
        private readonly SemaphoreSlim _signal = new(0);

        public Wake(TokenGate? gate)
        {
            _gate = gate;
            _gate?.Attach(() => _signal.Release());
        }

        public async IAsyncEnumerable<GenerationEvent> ReserveAsync(
            int prompt, int completion, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            bool isTold = false;
            while (_gate is not null && !_gate.TryReserve(prompt, 2, completion))
            {
                if (!isTold)
                {
                    isTold = true;
                    yield return new GenerationEvent.Parked(prompt, 2, completion);
                }

                await _signal.WaitAsync(cancellationToken);
            }
        }

        public void Dispose()
        {
            _gate?.Attach(null);
            _signal.Dispose();
        }
    }
}
