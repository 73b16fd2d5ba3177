using System.Text.Json;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>A model's chat template, compiled once and rendered for each conversation.</summary>
/// <remarks>
/// An own interpreter of the Jinja subset that chat templates use: no reflection, no files, no changes to its inputs; steps, output,
/// depth and time are bounded. Immutable; safe for concurrent use.
/// </remarks>
internal sealed class ChatTemplate
{
    private const int MaxJsonDepth = 32;

    private readonly BlockStatement _body;
    private readonly TimeProvider _clock;
    private readonly string _bos;
    private readonly string _eos;

    /// <exception cref="TemplateException">The text is not a template of the supported subset.</exception>
    public ChatTemplate(string source, string bosToken, string eosToken, TimeProvider clock)
    {
        _body = TemplateParser.Parse(source);
        _clock = clock;
        _bos = bosToken;
        _eos = eosToken;
        UsesTools = source.Contains("tools", StringComparison.Ordinal);
    }

    /// <summary>Whether the text mentions tools at all; if not, tools must be described in a message.</summary>
    public bool UsesTools { get; }

    /// <summary>Compiles a model's template and tries it; on failure says why and gives <c>null</c>.</summary>
    public static ChatTemplate? TryCreate(string source, string bosToken, string eosToken, TimeProvider clock, out string? problem)
    {
        try
        {
            ChatTemplate template = new(source, bosToken, eosToken, clock);
            template.Render(new PromptInput.Chat([new ChatMessage("user", "Hello")]));
            problem = null;
            return template;
        }
        catch (TemplateException exception)
        {
            problem = $"the model's chat template cannot be used ({exception.Message}); ChatML is used instead";
            return null;
        }
    }

    /// <exception cref="TemplateException">The template refuses the conversation, fails on it, or exceeds its budget.</exception>
    public RenderedPrompt Render(PromptInput.Chat chat)
    {
        TemplateContext context = new(_clock);
        TemplateScope scope = new(null, context);
        scope.Set("messages", chat.Messages.Select(Message).ToList<object?>());
        scope.Set("tools", chat.Tools.IsDefaultOrEmpty || chat.ToolChoice == ToolChoiceMode.None ? null : chat.Tools.Select(Tool).ToList<object?>());
        scope.Set("add_generation_prompt", true);
        scope.Set("bos_token", new TemplateString(_bos));
        scope.Set("eos_token", new TemplateString(_eos));
        foreach ((string name, JsonElement value) in chat.TemplateArguments)
        {
            scope.Set(name, FromJson(value, 0));
        }

        _body.Execute(scope);
        return new RenderedPrompt([.. TemplateString.Concat(scope.Output).Segments()]);
    }

    private static TemplateMap Message(ChatMessage message)
    {
        TemplateMap map = new()
        {
            ["role"] = new TemplateString(message.Role),
            ["content"] = new TemplateString(message.Content, isInput: true),
        };
        if (message.Name is not null)
        {
            map["name"] = new TemplateString(message.Name, isInput: true);
        }

        if (message.Reasoning is not null)
        {
            map["reasoning_content"] = new TemplateString(message.Reasoning, isInput: true);
        }

        if (message.ToolCallId is not null)
        {
            map["tool_call_id"] = new TemplateString(message.ToolCallId, isInput: true);
        }

        if (!message.ToolCalls.IsDefaultOrEmpty)
        {
            map["tool_calls"] = message.ToolCalls.Select(ToolCall).ToList<object?>();
        }

        return map;
    }

    private static TemplateMap ToolCall(ChatToolCall call) => new()
    {
        ["id"] = new TemplateString(call.Id, isInput: true),
        ["type"] = new TemplateString("function"),
        ["function"] = new TemplateMap
        {
            ["name"] = new TemplateString(call.Name, isInput: true),
            ["arguments"] = Arguments(call.ArgumentsJson),
        },
    };

    /// <summary>Templates are written for parsed arguments; text that is no object stays text.</summary>
    private static object? Arguments(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxJsonDepth });
            return document.RootElement.ValueKind == JsonValueKind.Object ? FromJson(document.RootElement, 0) : new TemplateString(json, isInput: true);
        }
        catch (JsonException)
        {
            return new TemplateString(json, isInput: true);
        }
    }

    private static TemplateMap Tool(ChatTool tool)
    {
        TemplateMap function = new() { ["name"] = new TemplateString(tool.Name, isInput: true) };
        if (tool.Description is not null)
        {
            function["description"] = new TemplateString(tool.Description, isInput: true);
        }

        if (tool.Parameters is { } parameters)
        {
            function["parameters"] = FromJson(parameters, 0);
        }

        return new TemplateMap { ["type"] = new TemplateString("function"), ["function"] = function };
    }

    private static object? FromJson(JsonElement element, int depth)
    {
        if (depth > MaxJsonDepth)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "JSON is nested too deeply");
        }

        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return new TemplateString(element.GetString()!, isInput: true);
            case JsonValueKind.True:
                return true;
            case JsonValueKind.False:
                return false;
            case JsonValueKind.Number:
                return element.TryGetInt64(out long integer) ? (object)integer : element.GetDouble();
            case JsonValueKind.Array:
                return element.EnumerateArray().Select(e => FromJson(e, depth + 1)).ToList();
            case JsonValueKind.Object:
                TemplateMap map = new(isInput: true);
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    map[property.Name] = FromJson(property.Value, depth + 1);
                }

                return map;
            default:
                return null;
        }
    }
}
