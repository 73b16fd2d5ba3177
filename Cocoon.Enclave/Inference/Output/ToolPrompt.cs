using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Output;

/// <summary>Tools for a template that knows none: described in the system message, calls and results written as text, all in Hermes' notation.</summary>
internal static class ToolPrompt
{
    private const string Instructions =
        """
        You may call one or more functions to help with the user's request. The functions, one JSON object a line:
        <tools>
        {0}
        </tools>
        For each call write one JSON object with the function's name and arguments between tags, and nothing else inside them:
        <tool_call>
        {{"name": "function-name", "arguments": {{"argument": "value"}}}}
        </tool_call>
        """;

    private static readonly CompositeFormat Format = CompositeFormat.Parse(Instructions);

    /// <summary>The conversation without tools or roles that the template would not know.</summary>
    /// <param name="inUserMessage">For templates without system messages.</param>
    public static PromptInput.Chat Rewrite(PromptInput.Chat chat, bool inUserMessage)
    {
        List<ChatMessage> messages = [.. chat.Messages.Select(Rewrite)];
        if (!chat.Tools.IsDefaultOrEmpty && chat.ToolChoice != ToolChoiceMode.None)
        {
            string text = string.Format(null, Format, string.Join('\n', chat.Tools.Select(Describe)));
            bool isSystem = !inUserMessage && messages[0].Role is "system" or "developer";
            int at = inUserMessage ? messages.FindIndex(m => m.Role == "user") : isSystem ? 0 : -1;
            if (at < 0)
            {
                messages.Insert(0, new ChatMessage(inUserMessage ? "user" : "system", text));
            }
            else
            {
                messages[at] = messages[at] with { Content = isSystem ? $"{messages[at].Content}\n\n{text}" : $"{text}\n\n{messages[at].Content}" };
            }
        }

        return chat with { Messages = [.. messages], Tools = [] };
    }

    private static ChatMessage Rewrite(ChatMessage message)
    {
        if (message.Role == "tool")
        {
            return new ChatMessage("user", $"<tool_response>\n{message.Content}\n</tool_response>");
        }

        if (message.ToolCalls.IsDefaultOrEmpty)
        {
            return message;
        }

        StringBuilder content = new(message.Content);
        foreach (ChatToolCall call in message.ToolCalls)
        {
            content.Append(content.Length > 0 ? "\n" : "").Append("<tool_call>\n{\"name\": ").Append(JsonSerializer.Serialize(call.Name, JsonText.Options))
                .Append(", \"arguments\": ").Append(call.ArgumentsJson).Append("}\n</tool_call>");
        }

        return message with { Content = content.ToString(), ToolCalls = ImmutableArray<ChatToolCall>.Empty };
    }

    private static string Describe(ChatTool tool)
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text, JsonText.Writer))
        {
            json.WriteStartObject();
            json.WriteString("name", tool.Name);
            if (tool.Description is not null)
            {
                json.WriteString("description", tool.Description);
            }

            if (tool.Parameters is { } parameters)
            {
                json.WritePropertyName("parameters");
                parameters.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }
}
