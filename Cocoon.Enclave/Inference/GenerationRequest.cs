using System.Collections.Immutable;
using System.Text.Json;

namespace Cocoon.Enclave.Inference;

/// <summary>A tool call that an assistant message made earlier. Arguments are the JSON text.</summary>
internal sealed record ChatToolCall(string Id, string Name, string ArgumentsJson);

/// <summary>One message of a conversation. Role is one of system, developer, user, assistant, tool.</summary>
internal sealed record ChatMessage(string Role, string Content)
{
    public string? Name { get; init; }

    public string? Reasoning { get; init; }

    public ImmutableArray<ChatToolCall> ToolCalls { get; init; } = [];

    public string? ToolCallId { get; init; }
}

/// <summary>A function the model may call. <paramref name="Parameters"/> is its JSON schema.</summary>
internal sealed record ChatTool(string Name, string? Description, JsonElement? Parameters);

internal enum ToolChoiceMode
{
    Auto = 0,
    None = 1,
    Required = 2,
    Function = 3,
}

/// <summary>What is to be continued. A closed set.</summary>
internal abstract record PromptInput
{
    private PromptInput()
    {
    }

    /// <summary>A conversation, rendered by the model's chat template. Text of messages never becomes a special token.</summary>
    public sealed record Chat(ImmutableArray<ChatMessage> Messages) : PromptInput
    {
        public ImmutableArray<ChatTool> Tools { get; init; } = [];

        public ToolChoiceMode ToolChoice { get; init; }

        public string? ToolChoiceFunction { get; init; }

        public bool ParallelToolCalls { get; init; } = true;

        /// <summary>Text that the answer already has and that is to be continued; never becomes a special token.</summary>
        public string AnswerPrefix { get; init; } = "";

        /// <summary>Extra template variables (<c>enable_thinking</c>, <c>reasoning_effort</c>, …), as JSON values.</summary>
        public ImmutableDictionary<string, JsonElement> TemplateArguments { get; init; } = ImmutableDictionary<string, JsonElement>.Empty;
    }

    /// <summary>Plain text; special tokens in it are text too.</summary>
    public sealed record Text(string Value) : PromptInput;

    public sealed record Tokens(ImmutableArray<int> Ids) : PromptInput;
}

/// <summary>How tokens are drawn. The defaults are OpenAI's. Order: bias, penalties, top-k, top-p, min-p, temperature, draw.</summary>
internal sealed record SamplingOptions
{
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>0 takes the most likely token.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>0: no limit.</summary>
    public int TopK { get; init; }

    public float TopP { get; init; } = 1;

    public float MinP { get; init; }

    public float FrequencyPenalty { get; init; }

    public float PresencePenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens seen in the last <see cref="PenaltyWindow"/>; 1: off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>How many of the latest tokens, prompt included, <see cref="RepetitionPenalty"/> looks at.</summary>
    public int PenaltyWindow { get; init; } = 64;

    /// <summary><c>null</c>: from the system's random source.</summary>
    public ulong? Seed { get; init; }

    public ImmutableDictionary<int, float> LogitBias { get; init; } = ImmutableDictionary<int, float>.Empty;

    /// <summary>Whether <see cref="GenerationEvent.Text.Logprobs"/> is filled.</summary>
    public bool Logprobs { get; init; }

    /// <summary>0 to 20.</summary>
    public int TopLogprobs { get; init; }
}

internal enum CachePolicy
{
    /// <summary>Nothing is reused and nothing is left for reuse.</summary>
    None = 0,

    /// <summary>Prefixes are reused among requests of the same <see cref="TenantKey"/>.</summary>
    Tenant = 1,
}

/// <summary>One request to an engine.</summary>
internal sealed record GenerationRequest
{
    /// <summary>Name or id of a served model; <c>null</c> takes the only one.</summary>
    public string? Model { get; init; }

    public required PromptInput Prompt { get; init; }

    public required TenantKey Tenant { get; init; }

    public CachePolicy Cache { get; init; } = CachePolicy.Tenant;

    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Up to 16 strings of 1 to 256 UTF-8 bytes; the match itself is not returned.</summary>
    public ImmutableArray<string> Stop { get; init; } = [];

    /// <summary>Most completion tokens of each choice; <c>null</c> goes to the end of the context.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>1 to 8 answers to the one prompt.</summary>
    public int Choices { get; init; } = 1;

    /// <summary>What the text of each answer must be; <c>null</c>: anything.</summary>
    public OutputConstraint? Constraint { get; init; }

    /// <summary>Control tokens that do not end the answer show as their text.</summary>
    public bool ShowsSpecials { get; init; }

    /// <summary>Go on after end tokens until <see cref="MaxTokens"/>.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Who must allow each step; <c>null</c>: nobody.</summary>
    public TokenGate? Gate { get; init; }
}
