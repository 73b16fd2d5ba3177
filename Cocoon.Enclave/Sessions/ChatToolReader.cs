using System.Collections.Immutable;
using System.Text.Json;
using Cocoon.Enclave.Inference;

namespace Cocoon.Enclave.Sessions;

/// <summary>The tool fields of a chat request: what may be called, and what was called before.</summary>
internal static class ChatToolReader
{
    private const int MaxTools = 128;
    private const int MaxSchemaBytes = 256 << 10;
    private const int MaxCalls = 128;

    /// <summary>The conversation with its tools.</summary>
    /// <exception cref="OpenAiRequestException">Malformed, or tools for an engine without them.</exception>
    public static PromptInput.Chat Read(JsonElement root, PromptInput.Chat chat, EngineCapabilities capabilities)
    {
        ImmutableArray<ChatTool> tools = ReadTools(root);
        (ToolChoiceMode mode, string? function) = ReadChoice(root);
        if (tools.IsEmpty)
        {
            return mode is ToolChoiceMode.Required or ToolChoiceMode.Function
                ? throw new OpenAiRequestException("'tool_choice' needs 'tools'.", "tool_choice")
                : chat;
        }

        if (!capabilities.HasFlag(EngineCapabilities.Tools))
        {
            throw new OpenAiRequestException("This model has no tools.", "tools", "unsupported_parameter");
        }

        if (function is not null && !tools.Any(t => t.Name == function))
        {
            throw new OpenAiRequestException("'tool_choice' names a function that is not in 'tools'.", "tool_choice");
        }

        return chat with
        {
            Tools = tools,
            ToolChoice = mode,
            ToolChoiceFunction = function,
            ParallelToolCalls = root.Boolean("parallel_tool_calls") ?? true,
        };
    }

    public static ImmutableArray<ChatToolCall> ReadCalls(JsonElement message, string at)
    {
        if (!message.TryField("tool_calls", out JsonElement calls))
        {
            return [];
        }

        string param = at + ".tool_calls";
        if (calls.ValueKind != JsonValueKind.Array || calls.GetArrayLength() > MaxCalls)
        {
            throw new OpenAiRequestException($"'{param}' must be an array of at most {MaxCalls} calls.", param);
        }

        ImmutableArray<ChatToolCall>.Builder read = ImmutableArray.CreateBuilder<ChatToolCall>();
        foreach (JsonElement call in calls.EnumerateArray())
        {
            if (call.ValueKind != JsonValueKind.Object
                || !call.TryField("function", out JsonElement function)
                || function.ValueKind != JsonValueKind.Object
                || function.Text("name", param) is not { Length: > 0 } name)
            {
                throw new OpenAiRequestException($"Each of '{param}' needs a function with a name.", param);
            }

            read.Add(new ChatToolCall(call.Text("id", param) ?? "", name, function.Text("arguments", param) ?? "{}"));
        }

        return read.ToImmutable();
    }

    private static ImmutableArray<ChatTool> ReadTools(JsonElement root)
    {
        if (!root.TryField("tools", out JsonElement tools))
        {
            return [];
        }

        if (tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() > MaxTools)
        {
            throw new OpenAiRequestException($"'tools' must be an array of at most {MaxTools}.", "tools");
        }

        ImmutableArray<ChatTool>.Builder read = ImmutableArray.CreateBuilder<ChatTool>();
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object
                || tool.Text("type", "tools.type") is not (null or "function")
                || !tool.TryField("function", out JsonElement function)
                || function.ValueKind != JsonValueKind.Object
                || function.Text("name", "tools.function.name") is not { Length: > 0 and <= 64 } name
                || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            {
                throw new OpenAiRequestException("Each of 'tools' needs type function, and a function with a name of 1 to 64 letters, digits, '_' or '-'.", "tools");
            }

            JsonElement? parameters = function.TryField("parameters", out JsonElement schema)
                ? schema.ValueKind == JsonValueKind.Object && schema.GetRawText().Length <= MaxSchemaBytes
                    ? schema.Clone()
                    : throw new OpenAiRequestException("'tools.function.parameters' must be a JSON schema of at most 256 KiB.", "tools")
                : null;
            read.Add(new ChatTool(name, function.Text("description", "tools.function.description"), parameters));
        }

        return read.ToImmutable();
    }

    private static (ToolChoiceMode Mode, string? Function) ReadChoice(JsonElement root)
    {
        if (!root.TryField("tool_choice", out JsonElement choice))
        {
            return (ToolChoiceMode.Auto, null);
        }

        switch (choice.ValueKind == JsonValueKind.String ? choice.GetString() : null)
        {
            case "auto":
                return (ToolChoiceMode.Auto, null);
            case "none":
                return (ToolChoiceMode.None, null);
            case "required":
                return (ToolChoiceMode.Required, null);
        }

        return choice.ValueKind == JsonValueKind.Object
            && choice.TryField("function", out JsonElement function)
            && function.ValueKind == JsonValueKind.Object
            && function.Text("name", "tool_choice.function.name") is { Length: > 0 } name
                ? (ToolChoiceMode.Function, name)
                : throw new OpenAiRequestException("'tool_choice' must be auto, none, required or name a function.", "tool_choice");
    }
}
