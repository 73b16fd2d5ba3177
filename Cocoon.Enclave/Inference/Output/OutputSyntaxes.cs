namespace Cocoon.Enclave.Inference.Output;

/// <summary>The known families, and which of them a chat template belongs to.</summary>
internal static class OutputSyntaxes
{
    private static readonly (string, string) Think = ("<think>", "</think>");

    private static readonly CallSection Hermes = new(
        "<tool_call>",
        tools => new AnyCallReader(
            () => new JsonCallReader("</tool_call>"),
            () => new MarkedCallReader("</function>", text => CallNotations.Xml(text, (f, p) => IsText(tools, f, p)), open: "", close: "</tool_call>")));

    private static readonly ForcedCall HermesForced = new("<tool_call>\n", "arguments", IsArray: false);

    /// <summary>Hermes, Qwen 2.5 and 3, Qwen3-Coder, and every model whose tools are described by <see cref="ToolPrompt"/>.</summary>
    public static OutputSyntax Qwen { get; } = new() { Name = "hermes", Reasoning = Think, Calls = [Hermes], Forced = HermesForced };

    public static OutputSyntax Harmony { get; } = new() { Name = "harmony", IsHarmony = true, NeedsSpecials = true, AnswerOpening = "<|channel|>final<|message|>" };

    public static OutputSyntax DeepSeek { get; } = new()
    {
        Name = "deepseek",
        Reasoning = Think,
        NeedsSpecials = true,
        Calls =
        [
            new("<｜tool▁calls▁begin｜>", _ => DeepSeekReader(isOpen: false)),
            new("<｜tool▁call▁begin｜>", _ => DeepSeekReader(isOpen: true)),
            Hermes,
        ],
        Forced = HermesForced,
    };

    public static OutputSyntax Llama { get; } = new()
    {
        Name = "llama",
        Reasoning = Think,
        NeedsSpecials = true,
        HasBareCalls = true,
        Calls =
        [
            new("<|python_tag|>", _ => new AnyCallReader(() => new JsonCallReader(separator: ";"), null)),
            new("<function=", _ => new MarkedCallReader("</function>", LlamaFunction, open: "<function=", close: "")),
            Hermes,
        ],
        Forced = new("", "parameters", IsArray: false),
    };

    public static OutputSyntax Mistral { get; } = new()
    {
        Name = "mistral",
        Reasoning = ("[THINK]", "[/THINK]"),
        NeedsSpecials = true,
        IdLength = 9,
        Calls = [new("[TOOL_CALLS]", _ => new AnyCallReader(() => new JsonCallReader(), () => new NamedCallReader()))],
        Forced = new("[TOOL_CALLS]", "arguments", IsArray: true),
    };

    public static OutputSyntax Phi { get; } = new()
    {
        Name = "phi",
        Reasoning = Think,
        NeedsSpecials = true,
        Calls = [new("<|tool_call|>", _ => new JsonCallReader("<|/tool_call|>")), new("functools", _ => new AnyCallReader(() => new JsonCallReader(), null)), Hermes],
        Forced = new("<|tool_call|>", "arguments", IsArray: true),
    };

    public static OutputSyntax Gemma { get; } = new()
    {
        Name = "gemma",
        Reasoning = ("<|channel>thought\n", "<channel|>"),
        NeedsSpecials = true,
        Calls = [new("<|tool_call>", _ => new MarkedCallReader("<tool_call|>", CallNotations.Gemma, open: "<|tool_call>", close: "")), Hermes],
        Forced = HermesForced,
    };

    public static OutputSyntax Command { get; } = new()
    {
        Name = "command",
        Reasoning = ("<|START_THINKING|>", "<|END_THINKING|>"),
        NeedsSpecials = true,
        Calls = [new("<|START_ACTION|>", _ => new JsonCallReader("<|END_ACTION|>"))],
        Ignored = ["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
        Forced = new("<|START_ACTION|>", "parameters", IsArray: true),
    };

    /// <summary>The family by the markers that the template itself writes.</summary>
    public static OutputSyntax Detect(string? template)
    {
        (string Marker, OutputSyntax Syntax)[] table =
        [
            ("<|channel|>", Harmony),
            ("<|START_ACTION|>", Command),
            ("<|tool_call>", Gemma),
            ("<｜tool▁", DeepSeek),
            ("[TOOL_CALLS]", Mistral),
            ("[THINK]", Mistral),
            ("<|tool_call|>", Phi),
            ("<|tool|>", Phi),
            ("<tool_call>", Qwen),
            ("<|python_tag|>", Llama),
            ("\"parameters\": ", Llama),
        ];
        return template is null
            ? Qwen
            : table.FirstOrDefault(row => template.Contains(row.Marker, StringComparison.Ordinal)).Syntax ?? Qwen;
    }

    private static MarkedCallReader DeepSeekReader(bool isOpen) => new(
        "<｜tool▁call▁end｜>", CallNotations.DeepSeek, open: "<｜tool▁call▁begin｜>", close: "<｜tool▁calls▁end｜>", isOpen);

    /// <summary>Llama 3.1's second notation: <c>&lt;function=NAME&gt;{…}&lt;/function&gt;</c>.</summary>
    private static (string Name, string Arguments)? LlamaFunction(string text)
    {
        int end = text.IndexOf('>', StringComparison.Ordinal);
        string arguments = end < 0 ? "" : text[(end + 1)..].Trim();
        if (arguments.Length == 0 || arguments[0] != '{')
        {
            return null;
        }

        using System.Text.Json.JsonDocument _ = System.Text.Json.JsonDocument.Parse(arguments);
        return (text[..end].Trim(), arguments);
    }

    private static bool IsText(IReadOnlyList<ChatTool> tools, string function, string parameter) =>
        tools.FirstOrDefault(t => t.Name == function)?.Parameters is { ValueKind: System.Text.Json.JsonValueKind.Object } schema
        && schema.TryGetProperty("properties", out System.Text.Json.JsonElement properties)
        && properties.ValueKind == System.Text.Json.JsonValueKind.Object
        && properties.TryGetProperty(parameter, out System.Text.Json.JsonElement field)
        && field.ValueKind == System.Text.Json.JsonValueKind.Object
        && field.TryGetProperty("type", out System.Text.Json.JsonElement type)
        && type.ValueKind == System.Text.Json.JsonValueKind.String
        && type.GetString() == "string";
}
