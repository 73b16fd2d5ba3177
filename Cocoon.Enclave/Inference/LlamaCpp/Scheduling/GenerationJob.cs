using Cocoon.Enclave.Inference.Sampling;

namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

/// <summary>One request on its way through the scheduler.</summary>
/// <remarks>Everything that can be set is the decode thread's, except <see cref="Cancel"/>.</remarks>
internal sealed class GenerationJob
{
    private int _cancelled;

    /// <param name="constraint">Makes the constraint of one choice; the job owns it from then on.</param>
    public GenerationJob(
        GenerationRequest request, int[] prompt, int maxTokens, int vocabulary, Func<int, ReadOnlyMemory<byte>> piece, TimeProvider time,
        Func<TokenConstraint>? constraint = null, ReaderThread? readers = null)
    {
        Request = request;
        Prompt = prompt;
        MaxTokens = maxTokens;
        Outbox = new GenerationOutbox(request.Choices, time, piece, readers);
        Choices = new GenerationChoice[request.Choices];
        for (int i = 0; i < Choices.Length; i++)
        {
            Choices[i] = new GenerationChoice(i, new TokenSampler(request.Sampling, vocabulary, i, prompt), new TextAssembler(request.Stop), constraint?.Invoke());
        }

        LiveChoices = Choices.Length;
    }

    public GenerationRequest Request { get; }

    public int[] Prompt { get; }

    /// <summary>Of each choice, already capped to the context.</summary>
    public int MaxTokens { get; }

    public GenerationOutbox Outbox { get; }

    public GenerationChoice[] Choices { get; }

    public int CachedTokens { get; set; }

    /// <summary>Prompt tokens in the cache, reused ones included.</summary>
    public int PromptDone { get; set; }

    public int CompletionTokens { get; set; }

    public int LiveChoices { get; set; }

    /// <summary>The gate's last answer was no.</summary>
    public bool Parked { get; set; }

    /// <summary>Step for which the gate has been asked, so that choices share one answer.</summary>
    public long AskedAtStep { get; set; } = -1;

    public long EnqueuedAt { get; set; }

    public long StartedAt { get; set; }

    public long FirstTokenAt { get; set; }

    /// <summary>Virtual start time in the fair queue.</summary>
    public long StartTag { get; set; }

    public bool Ended { get; set; }

    public bool Cancelled => Volatile.Read(ref _cancelled) != 0;

    /// <summary>What the request weighs in the fair queue.</summary>
    public int Cost => Prompt.Length + (Math.Min(MaxTokens, 256) * Choices.Length);

    /// <summary>Any thread. <c>false</c> when it was cancelled before.</summary>
    public bool Cancel() => Interlocked.Exchange(ref _cancelled, 1) == 0;
}

/// <summary>One of the answers of a request.</summary>
internal sealed class GenerationChoice(int index, TokenSampler sampler, TextAssembler text, TokenConstraint? constraint)
{
    public int Index { get; } = index;

    public TokenSampler Sampler { get; } = sampler;

    public TextAssembler Text { get; } = text;

    public TokenConstraint? Constraint { get; } = constraint;

    public int Tokens { get; set; }

    public FinishReason? Finished { get; set; }
}
