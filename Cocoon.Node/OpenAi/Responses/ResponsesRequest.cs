using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi.Responses;

/// <summary>A request of <c>/v1/responses</c>, turned into the chat request that travels sealed.</summary>
/// <param name="Given">The fields that a response repeats, as they were given.</param>
/// <param name="Messages">The conversation in chat form, earlier turns included, without <c>instructions</c>.</param>
internal sealed record ResponsesRequest(AskRequest Ask, byte[] Body, JsonObject Given, JsonArray Messages, bool Stores, string? PreviousId)
{
    private static readonly string[] s_repeated =
        ["instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "previous_response_id", "reasoning", "store", "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user", "safety_identifier", "prompt_cache_key", "service_tier"];

    private static readonly string[] s_copied =
        ["model", "stream", "temperature", "top_p", "user", "seed", "parallel_tool_calls", "cocoon", "top_k", "min_p", "chat_template_kwargs", "stop", "presence_penalty", "frequency_penalty"];

    private static readonly HashSet<string> s_known = [.. s_repeated, .. s_copied, "input", "include", "top_logprobs", "stream_options", "background", "conversation", "prompt"];

    /// <param name="find">The messages of an earlier response of this caller, and its answer; <c>null</c> when it is not kept.</param>
    public static OpenAiError? Read(JsonElement root, Func<string, JsonArray?> find, out ResponsesRequest? request)
    {
        request = null;
        if (RequestFields.RefusedByResponses(root) is { } refused)
        {
            return refused;
        }

        JsonObject given = JsonObject.Create(root)!;
        foreach (string field in (ReadOnlySpan<string>)["conversation", "prompt"])
        {
            if (given[field] is not null)
            {
                return OpenAiError.BadRequest($"'{field}' is not supported: nothing is kept anywhere but here.", field, "unsupported_parameter");
            }
        }

        if (!JsonBody.TryBoolean(root, "background", out bool background) || background)
        {
            return OpenAiError.BadRequest("'background' is not supported.", "background", "unsupported_parameter");
        }

        if (JsonBody.Text(root, "truncation") is not (null or "disabled"))
        {
            return OpenAiError.BadRequest("'truncation' must be disabled: nothing is cut silently.", "truncation", "unsupported_parameter");
        }

        JsonArray messages = [];
        string? previous = JsonBody.Text(root, "previous_response_id");
        if (previous is not null)
        {
            if (find(previous) is not { } earlier)
            {
                return new OpenAiError(StatusCodes.Status404NotFound, "invalid_request_error", "previous_response_not_found", "previous_response_id",
                    "This response is not kept here: responses are kept in memory, the newest ones of each key, unless 'store' was false.");
            }

            messages = earlier;
        }

        if (ResponsesInput.Read(root, messages) is { } inputError)
        {
            return inputError;
        }

        JsonObject body = [];
        foreach (string field in s_copied.Where(given.ContainsKey))
        {
            body[field] = given[field]?.DeepClone();
        }

        JsonArray all = (JsonArray)messages.DeepClone();
        if (JsonBody.TryField(root, "instructions", out JsonElement instructions))
        {
            if (instructions.ValueKind != JsonValueKind.String)
            {
                return OpenAiError.BadRequest("'instructions' must be a string.", "instructions");
            }

            all.Insert(0, new JsonObject { ["role"] = "system", ["content"] = instructions.GetString() });
        }

        body["messages"] = all;
        if (ReadOptions(root, given, body) is { } optionError)
        {
            return optionError;
        }

        AskRequest? ask = null;
        byte[] bytes = JsonBody.Write(body);
        if (JsonBody.Read(bytes, chat => AskRequest.Read(chat, SealedRequest.Types.Endpoint.ChatCompletions, out ask)) is { } error)
        {
            return error with { Param = error.Param == "max_completion_tokens" ? "max_output_tokens" : error.Param, Message = error.Message.Replace("max_completion_tokens", "max_output_tokens", StringComparison.Ordinal) };
        }

        ask = ask! with { Ignored = [.. given.Select(g => g.Key).Where(k => !s_known.Contains(k)).Take(16)] };
        JsonObject repeated = [];
        foreach (string field in s_repeated)
        {
            repeated[field] = given[field]?.DeepClone();
        }

        bool stores = !JsonBody.TryBoolean(root, "store", out bool store) || store || given["store"] is null;
        request = new ResponsesRequest(ask, bytes, repeated, messages, stores, previous);
        return null;
    }

    /// <summary>Fields that have another name or form in a chat request.</summary>
    private static OpenAiError? ReadOptions(JsonElement root, JsonObject given, JsonObject body)
    {
        if (JsonBody.TryField(root, "max_output_tokens", out _))
        {
            body["max_completion_tokens"] = given["max_output_tokens"]!.DeepClone();
        }

        if (given["reasoning"] is JsonObject reasoning && reasoning["effort"] is { } effort)
        {
            body["reasoning_effort"] = effort.DeepClone();
        }

        if (JsonBody.TryField(root, "top_logprobs", out _) || (given["include"] is JsonArray include && include.Any(i => i?.ToString() == "message.output_text.logprobs")))
        {
            body["logprobs"] = true;
            body["top_logprobs"] = given["top_logprobs"]?.DeepClone() ?? 0;
        }

        if (given["text"] is JsonObject { } text && text["format"] is { } format)
        {
            if (format is not JsonObject shape)
            {
                return OpenAiError.BadRequest("'text.format' must be an object.", "text.format");
            }

            body["response_format"] = shape["type"]?.ToString() == "json_schema"
                ? new JsonObject { ["type"] = "json_schema", ["json_schema"] = Without(shape, "type") }
                : shape.DeepClone();
        }

        return ReadTools(given, body);
    }

    private static OpenAiError? ReadTools(JsonObject given, JsonObject body)
    {
        if (given["tools"] is JsonArray { Count: > 0 } tools)
        {
            if (tools.FirstOrDefault(t => t is not JsonObject o || o["type"]?.ToString() != "function") is { } other)
            {
                return OpenAiError.BadRequest(
                    "'tools' may hold functions only: nothing is searched, fetched or run for you here.", "tools", other is JsonObject ? "unsupported_parameter" : "invalid_request");
            }

            body["tools"] = new JsonArray([.. tools.Select(t => new JsonObject { ["type"] = "function", ["function"] = Without(t!.AsObject(), "type") })]);
        }

        switch (given["tool_choice"])
        {
            case JsonObject choice when choice["type"]?.ToString() == "function":
                body["tool_choice"] = new JsonObject { ["type"] = "function", ["function"] = Without(choice, "type") };
                break;
            case { } word:
                body["tool_choice"] = word.DeepClone();
                break;
        }

        return null;
    }

    private static JsonObject Without(JsonObject map, string field)
    {
        JsonObject rest = (JsonObject)map.DeepClone();
        rest.Remove(field);
        return rest;
    }
}
