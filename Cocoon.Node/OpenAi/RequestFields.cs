using System.Text.Json;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>What each endpoint makes of a request's top-level fields: read, refused because what they ask for is not there, or ignored and said.</summary>
internal static class RequestFields
{
    private const int MaxIgnored = 16;

    private static readonly string[] s_all = ["model", "user", "cocoon", "stream", "stream_options"];

    /// <summary>Of no endpoint: an answer without them would be one to another question.</summary>
    private static readonly string[] s_never = ["suffix", "best_of", "functions", "function_call", "audio", "modalities", "web_search_options"];

    private static readonly string[] s_generation =
    [
        .. s_all, "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "stop", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "logprobs",
        "response_format", "ignore_eos", .. s_never,
    ];

    private static readonly HashSet<string> s_chat =
        [.. s_generation, "messages", "max_completion_tokens", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "chat_template_kwargs"];

    private static readonly HashSet<string> s_completions = [.. s_generation, "prompt", "echo", "tools", "tool_choice"];

    private static readonly HashSet<string> s_embeddings = [.. s_all, "input", "encoding_format", "dimensions"];

    /// <summary>The error for the first field that asks for what is not there; values that ask for nothing are let through.</summary>
    public static OpenAiError? Refused(JsonElement root, SealedRequest.Types.Endpoint endpoint) => endpoint switch
    {
        SealedRequest.Types.Endpoint.Embeddings => null,
        SealedRequest.Types.Endpoint.Completions => Refused(root, [.. s_never, "tools", "tool_choice"]),
        _ => Refused(root, s_never),
    };

    /// <summary>As chat requests, which it becomes: one answer, and its tokens as the model weighs them.</summary>
    public static OpenAiError? RefusedByResponses(JsonElement root) => Refused(root, [.. s_never, "n", "logit_bias"]);

    public static IReadOnlyList<string> Ignored(JsonElement root, SealedRequest.Types.Endpoint endpoint)
    {
        HashSet<string> known = endpoint switch
        {
            SealedRequest.Types.Endpoint.ChatCompletions => s_chat,
            SealedRequest.Types.Endpoint.Embeddings => s_embeddings,
            _ => s_completions,
        };
        return [.. root.EnumerateObject().Select(p => p.Name).Where(n => !known.Contains(n)).Take(MaxIgnored)];
    }

    private static OpenAiError? Refused(JsonElement root, ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (JsonBody.TryField(root, field, out JsonElement value) && !AsksForNothing(root, field, value))
            {
                return OpenAiError.BadRequest($"'{field}' is not supported here.", field, "unsupported_parameter");
            }
        }

        return null;
    }

    private static bool AsksForNothing(JsonElement root, string field, JsonElement value) => field switch
    {
        "suffix" => value.ValueKind == JsonValueKind.String && value.GetString()!.Length == 0,
        "n" => IsNumber(value, 1),

        // As many tries as answers: nothing to choose from.
        "best_of" => IsNumber(value, JsonBody.TryField(root, "n", out JsonElement n) && n.ValueKind == JsonValueKind.Number && n.TryGetInt32(out int answers) ? answers : 1),
        "modalities" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(m => m.ValueKind == JsonValueKind.String && m.ValueEquals("text"u8)),
        "tools" => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0,
        "function_call" or "tool_choice" => value.ValueKind == JsonValueKind.String && value.ValueEquals("none"u8),
        "logit_bias" => value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any(),
        _ => false,
    };

    private static bool IsNumber(JsonElement value, int wanted) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number == wanted;
}
