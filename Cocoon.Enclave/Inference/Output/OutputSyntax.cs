namespace Cocoon.Enclave.Inference.Output;

/// <summary>A marker that opens a section of calls.</summary>
/// <param name="Open">As the model writes it.</param>
/// <param name="Reader">A fresh reader for what follows; the tools say which parameters are text.</param>
internal sealed record CallSection(string Open, Func<IReadOnlyList<ChatTool>, CallReader> Reader);

/// <summary>How a family of models marks reasoning and tool calls in what it says.</summary>
internal sealed record OutputSyntax
{
    /// <summary>Family, for people.</summary>
    public required string Name { get; init; }

    /// <summary>Opening and closing marker of reasoning.</summary>
    public (string Open, string Close)? Reasoning { get; init; }

    public IReadOnlyList<CallSection> Calls { get; init; } = [];

    /// <summary>Markers that mean nothing to an application.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>An answer that begins with a brace is a call.</summary>
    public bool HasBareCalls { get; init; }

    /// <summary>Channels with headers instead of tags (gpt-oss).</summary>
    public bool IsHarmony { get; init; }

    /// <summary>Whether markers are control tokens, which have no text unless asked for.</summary>
    public bool NeedsSpecials { get; init; }

    /// <summary>Template text before an answer's text when the prompt holds a part of it.</summary>
    public string AnswerOpening { get; init; } = "";

    /// <summary>Length of a call's id; 0 for OpenAI's form.</summary>
    public int IdLength { get; init; }

    /// <summary>What stands before a call that the model must make, when that can be written for it.</summary>
    public ForcedCall? Forced { get; init; }

    public OutputParser CreateParser(IReadOnlyList<ChatTool> tools) =>
        IsHarmony ? new HarmonyOutputParser(tools.Count > 0) : new TaggedOutputParser(this, tools);
}

/// <param name="Prefix">Template text after which the call's JSON begins.</param>
/// <param name="ArgumentsKey"><c>arguments</c> or <c>parameters</c>.</param>
/// <param name="IsArray">Whether the calls stand in an array.</param>
internal sealed record ForcedCall(string Prefix, string ArgumentsKey, bool IsArray);
