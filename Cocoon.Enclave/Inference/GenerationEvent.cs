using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference;

internal enum FinishReason
{
    /// <summary>The model ended by itself or a stop string was met.</summary>
    Stop = 1,

    /// <summary><c>MaxTokens</c> or the context's end.</summary>
    Length = 2,

    ToolCalls = 3,
}

/// <summary>Token counts of one request. Cached is part of prompt, reasoning part of completion; completion includes the end token.</summary>
internal readonly record struct TokenUsage(
    int PromptTokens, int CachedTokens, int CompletionTokens, int ReasoningTokens, TimeSpan Prefill, TimeSpan Decode);

/// <summary>Log-probability of one token under the raw logits (before temperature and filters). Bytes may be part of a character.</summary>
internal readonly record struct TokenLogprob(int TokenId, ReadOnlyMemory<byte> Bytes, float Logprob);

/// <summary>The chosen token and the most likely ones at its place, best first.</summary>
internal sealed record TokenLogprobs(TokenLogprob Chosen, ImmutableArray<TokenLogprob> Top);

/// <summary>What an engine says while it works on one request. A closed set.</summary>
internal abstract record GenerationEvent
{
    private GenerationEvent()
    {
    }

    /// <summary>Admitted to a slot. Comes before any prefill work, so that a caller can still refuse the price.</summary>
    public sealed record Started(int PromptTokens, int CachedTokens) : GenerationEvent;

    /// <summary>Prompt tokens in the cache so far, own and reused ones together; sent between prefill chunks, coalesced.</summary>
    public sealed record PrefillProgress(int Done, int Total) : GenerationEvent;

    /// <summary>
    /// The request's <see cref="TokenGate"/> said no to these cumulative counts; what was generated before has been delivered.
    /// Sent once per stop; the next event of the request means that it goes on.
    /// </summary>
    public sealed record Parked(int PromptTokens, int CachedTokens, int CompletionTokens) : GenerationEvent;

    /// <summary>Text of one choice. The delta is whole characters and may be empty while <paramref name="TokenIds"/> is not.</summary>
    public sealed record Text(int Choice, string Delta, ImmutableArray<int> TokenIds, ImmutableArray<TokenLogprobs> Logprobs) : GenerationEvent;

    /// <summary>As <see cref="Text"/>, for what the model thinks before it answers.</summary>
    public sealed record Reasoning(int Choice, string Delta, ImmutableArray<int> TokenIds) : GenerationEvent;

    public sealed record ToolCallStart(int Choice, int Index, string Id, string Name, ImmutableArray<int> TokenIds) : GenerationEvent;

    public sealed record ToolCallArguments(int Choice, int Index, string Delta, ImmutableArray<int> TokenIds) : GenerationEvent;

    /// <summary>
    /// Completion tokens of all choices so far, from an engine that names no token ids; comes before the event with their text.
    /// </summary>
    public sealed record Counted(int CompletionTokens) : GenerationEvent;

    /// <summary>The vector of one input of an <see cref="EmbeddingRequest"/>, of unit length.</summary>
    public sealed record Embedding(int Index, ImmutableArray<float> Values) : GenerationEvent;

    /// <summary>One choice ended. <paramref name="MatchedStop"/> is the stop string that ended it, if one did.</summary>
    public sealed record ChoiceFinished(int Choice, FinishReason Reason, string? MatchedStop) : GenerationEvent;

    /// <summary>All choices ended; <paramref name="Reason"/> is that of choice 0. Always the last event.</summary>
    public sealed record Finished(FinishReason Reason, TokenUsage Usage) : GenerationEvent;
}
