using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cocoon.Node.OpenAi.Responses;

/// <summary>The <c>input</c> of a request: a text, or a list of messages, calls and their outputs, as chat messages.</summary>
internal static class ResponsesInput
{
    public static OpenAiError? Read(JsonElement root, JsonArray messages)
    {
        if (!JsonBody.TryField(root, "input", out JsonElement input))
        {
            return OpenAiError.BadRequest("'input' is missing.", "input");
        }

        if (input.ValueKind == JsonValueKind.String)
        {
            messages.Add((JsonNode)new JsonObject { ["role"] = "user", ["content"] = input.GetString() });
            return null;
        }

        if (input.ValueKind != JsonValueKind.Array || messages.Count + input.GetArrayLength() is 0 or > AskRequest.MaxMessages)
        {
            return OpenAiError.BadRequest($"'input' must be a text or an array of up to {AskRequest.MaxMessages} items.", "input");
        }

        foreach ((int index, JsonElement item) in input.EnumerateArray().Index())
        {
            if (ReadItem(item, $"input[{index}]", messages) is { } error)
            {
                return error;
            }
        }

        return messages.Count > 0 ? null : OpenAiError.BadRequest("'input' holds no message.", "input");
    }

    private static OpenAiError? ReadItem(JsonElement item, string at, JsonArray messages)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            return OpenAiError.BadRequest($"'{at}' must be an object.", at);
        }

        switch (JsonBody.Text(item, "type") ?? "message")
        {
            case "message":
                return ReadMessage(item, at, messages);
            case "function_call":
                return ReadCall(item, at, messages);
            case "function_call_output" when JsonBody.Text(item, "call_id") is { } id:
                string? output = JsonBody.TryField(item, "output", out JsonElement value) ? ReadContent(value) : null;
                if (output is null)
                {
                    return OpenAiError.BadRequest($"'{at}.output' must be text.", at + ".output");
                }

                messages.Add((JsonNode)new JsonObject { ["role"] = "tool", ["tool_call_id"] = id, ["content"] = output });
                return null;
            case "reasoning":
                // What a model thought before is not shown to it again.
                return null;
            case var type:
                return OpenAiError.BadRequest($"'{at}' is of a type that is not supported: message, function_call, function_call_output and reasoning are.", at + ".type",
                    type.Length > 0 ? "unsupported_parameter" : "invalid_request");
        }
    }

    private static OpenAiError? ReadMessage(JsonElement item, string at, JsonArray messages)
    {
        string? role = JsonBody.Text(item, "role");
        if (role is not ("user" or "assistant" or "system" or "developer"))
        {
            return OpenAiError.BadRequest($"'{at}.role' must be user, assistant, system or developer.", at + ".role");
        }

        if (!JsonBody.TryField(item, "content", out JsonElement content) || ReadContent(content) is not { } text)
        {
            return OpenAiError.BadRequest($"'{at}.content' must be text, or parts of type input_text, output_text or text.", at + ".content");
        }

        messages.Add((JsonNode)new JsonObject { ["role"] = role, ["content"] = text });
        return null;
    }

    private static OpenAiError? ReadCall(JsonElement item, string at, JsonArray messages)
    {
        if (JsonBody.Text(item, "call_id") is not { } id || JsonBody.Text(item, "name") is not { } name || JsonBody.Text(item, "arguments") is not { } arguments)
        {
            return OpenAiError.BadRequest($"'{at}' needs call_id, name and arguments.", at);
        }

        JsonObject call = new() { ["id"] = id, ["type"] = "function", ["function"] = new JsonObject { ["name"] = name, ["arguments"] = arguments } };

        // Calls made side by side are one message in a chat.
        if (messages.Count > 0 && messages[^1] is JsonObject last && last["role"]?.ToString() == "assistant")
        {
            if (last["tool_calls"] is JsonArray calls)
            {
                calls.Add((JsonNode)call);
            }
            else
            {
                last["tool_calls"] = new JsonArray(call);
            }
        }
        else
        {
            messages.Add((JsonNode)new JsonObject { ["role"] = "assistant", ["content"] = "", ["tool_calls"] = new JsonArray(call) });
        }

        return null;
    }

    private static string? ReadContent(JsonElement content)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString();
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        List<string> texts = [];
        foreach (JsonElement part in content.EnumerateArray())
        {
            if (part.ValueKind != JsonValueKind.Object || JsonBody.Text(part, "type") is not ("input_text" or "output_text" or "text") || JsonBody.Text(part, "text") is not { } text)
            {
                return null;
            }

            texts.Add(text);
        }

        return string.Concat(texts);
    }
}
