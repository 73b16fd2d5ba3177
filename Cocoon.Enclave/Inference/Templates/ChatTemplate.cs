using System.Text.Json;
using Cocoon.Enclave.Inference.Output;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>A model's chat template, compiled once and rendered for each conversation.</summary>
/// <remarks>
/// An own interpreter of the Jinja subset that chat templates use: no reflection, no files, no changes to its inputs; steps, output,
/// depth and time are bounded. Immutable; safe for concurrent use.
/// </remarks>
internal sealed class ChatTemplate
{
    private const int MaxJsonDepth = 32;

    /// <summary>Sent through a template to see what it makes of its inputs.</summary>
    private const string Needle = "cocoon-needle";

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
        Syntax = OutputSyntaxes.Detect(source);
        TakesTypedContent = !Shows(new ChatMessage("user", Needle)) && Shows(new ChatMessage("user", Needle), typed: true);
        TakesTextArguments = !ShowsCall(text: false) && ShowsCall(text: true);
    }

    /// <summary>Whether the text mentions tools at all; if not, tools must be described in a message.</summary>
    public bool UsesTools { get; }

    /// <summary>Whether it reads a message's content as a list of parts and would not see plain text (vision models).</summary>
    public bool TakesTypedContent { get; private init; }

    /// <summary>Whether it wants a call's arguments as JSON text and fails on an object.</summary>
    public bool TakesTextArguments { get; private init; }

    /// <summary>How models with this template mark reasoning and calls.</summary>
    public OutputSyntax Syntax { get; }

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
    public RenderedPrompt Render(PromptInput.Chat chat) => Render(chat, TakesTypedContent, TakesTextArguments);

    private RenderedPrompt Render(PromptInput.Chat chat, bool typed, bool textArguments)
    {
        TemplateContext context = new(_clock);
        TemplateScope scope = new(null, context);
        scope.Set("messages", chat.Messages.Select(m => Message(m, typed, textArguments)).ToList<object?>());
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

    private bool Shows(ChatMessage message, bool typed = false) => Attempt([message], typed, textArguments: false);

    private bool ShowsCall(bool text) => Attempt(
        [new ChatMessage("user", "x"), new ChatMessage("assistant", "") { ToolCalls = [new ChatToolCall("abcdefghi", "f", $$"""{"k": "{{Needle}}"}""")] }],
        TakesTypedContent,
        text);

    private bool Attempt(System.Collections.Immutable.ImmutableArray<ChatMessage> messages, bool typed, bool textArguments)
    {
        try
        {
            return Render(new PromptInput.Chat(messages), typed, textArguments).Join().Contains(Needle, StringComparison.Ordinal);
        }
        catch (TemplateException)
        {
            return false;
        }
    }

    private static TemplateMap Message(ChatMessage message, bool typed, bool textArguments)
    {
        TemplateString content = new(message.Content, isInput: true);
        TemplateMap map = new()
        {
            ["role"] = new TemplateString(message.Role),
            ["content"] = typed ? new List<object?> { new TemplateMap { ["type"] = new TemplateString("text"), ["text"] = content } } : content,
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
            map["tool_calls"] = message.ToolCalls.Select(c => ToolCall(c, textArguments)).ToList<object?>();
        }

        return map;
    }

    private static TemplateMap ToolCall(ChatToolCall call, bool textArguments) => new()
    {
        ["id"] = new TemplateString(call.Id, isInput: true),
        ["type"] = new TemplateString("function"),
        ["function"] = new TemplateMap
        {
            ["name"] = new TemplateString(call.Name, isInput: true),
            ["arguments"] = textArguments ? new TemplateString(call.ArgumentsJson, isInput: true) : Arguments(call.ArgumentsJson),
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
