using System.Collections.Immutable;
using System.Text.Json;

namespace Cocoon.Enclave.Inference;

/// <summary>What the text of an answer must be. A closed set; an engine without <see cref="EngineCapabilities.Grammar"/> refuses all of it.</summary>
/// <remarks>
/// Each choice is held to it by itself. The constraint is on text: special tokens never count as it. An answer that ends with
/// <see cref="FinishReason.Length"/> is a beginning of what was asked for, every other one is all of it.
/// </remarks>
internal abstract record OutputConstraint
{
    private OutputConstraint()
    {
    }

    /// <summary>
    /// Empty: the constraint holds from the first token on. Else it begins right after the first occurrence of one of these
    /// (<c>&lt;/think&gt;</c>, <c>&lt;tool_call&gt;</c>); what comes before is free.
    /// </summary>
    public ImmutableArray<string> Triggers { get; init; } = [];

    /// <summary>With <see cref="Triggers"/>: the answer may also end without any of them (a tool call that the model need not make).</summary>
    public bool IsOptional { get; init; }

    /// <summary>Any JSON object.</summary>
    public sealed record JsonObject : OutputConstraint;

    /// <summary>JSON that the schema accepts; the supported part of JSON Schema is that of OpenAI's structured outputs and the common keywords beside it.</summary>
    public sealed record JsonSchema(JsonElement Schema) : OutputConstraint;

    /// <summary>Text of a GBNF grammar whose start rule is <c>root</c>. Made by this program, never taken from a client.</summary>
    public sealed record Gbnf(string Text) : OutputConstraint;
}
