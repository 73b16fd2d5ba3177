using Cocoon.Enclave.Inference;
using Cocoon.Tests.Enclave.Sessions;

namespace Cocoon.Tests.Node.Enclaves;

/// <summary>An engine as bad as a native library can be: prints what it is asked, and on one word takes the process down with it.</summary>
internal sealed class LoudEngine : IInferenceEngine
{
    public const string LastWords = "abort:";

    private readonly FakeEngine _inner = new();

    public EngineInfo Info => _inner.Info;

    public IReadOnlyList<ServedModel> Models => _inner.Models;

    public ValueTask<EngineHealth> CheckAsync(CancellationToken cancellationToken) => _inner.CheckAsync(cancellationToken);

    public ValueTask<TokenCount> CountAsync(string? model, PromptInput prompt, CancellationToken cancellationToken) => _inner.CountAsync(model, prompt, cancellationToken);

    public IAsyncEnumerable<GenerationEvent> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken) => _inner.EmbedAsync(request, cancellationToken);

    public IAsyncEnumerable<GenerationEvent> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        string asked = request.Prompt is PromptInput.Chat chat ? chat.Messages[^1].Content : "";
        Console.Out.WriteLine(asked);
        Console.Error.WriteLine(asked);
        if (asked.StartsWith(LastWords, StringComparison.Ordinal))
        {
            Environment.FailFast(asked, new InvalidOperationException(asked));
        }

        return _inner.GenerateAsync(request, cancellationToken);
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();
}
