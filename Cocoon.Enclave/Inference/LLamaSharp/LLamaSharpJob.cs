using Cocoon.Enclave.Inference.Sampling;
using LLama.Batched;
using LLama.Native;

namespace Cocoon.Enclave.Inference.LLamaSharp;

/// <summary>One choice of one request. Everything but <see cref="IsCancelled"/> is the loop's.</summary>
internal sealed class LLamaSharpJob(GenerationRequest request, LLamaToken[] prompt, int choice, TokenSampler sampler, LLamaSharpAnswer answer)
{
    private volatile bool _isCancelled;

    public GenerationRequest Request { get; } = request;

    public LLamaToken[] Prompt { get; } = prompt;

    public int Choice { get; } = choice;

    public TokenSampler Sampler { get; } = sampler;

    public TextAssembler Text { get; } = new(request.Stop);

    public LLamaSharpAnswer Answer { get; } = answer;

    public Conversation? Conversation { get; set; }

    /// <summary>Sampled, reported, and not yet read by the model.</summary>
    public LLamaToken? Next { get; set; }

    public int Tokens { get; set; }

    public bool IsDone { get; set; }

    public bool IsCancelled
    {
        get => _isCancelled;
        set => _isCancelled = value;
    }
}

/// <summary>What the choices of one request share.</summary>
internal sealed class LLamaSharpAnswer(GenerationOutbox outbox, int choices, int promptTokens, int maxTokens)
{
    public GenerationOutbox Outbox { get; } = outbox;

    public int PromptTokens { get; } = promptTokens;

    public int MaxTokens { get; } = maxTokens;

    public int LiveChoices { get; set; } = choices;

    public int CompletionTokens { get; set; }

    public bool IsStarted { get; set; }

    public bool IsParked { get; set; }

    public FinishReason First { get; set; } = FinishReason.Stop;

    public long StartedAt { get; set; }

    public long FirstTokenAt { get; set; }
}
