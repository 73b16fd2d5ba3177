using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Cocoon.Enclave.Inference.Upstream;

internal readonly record struct UpstreamUsage(int Prompt, int Cached, int Completion, int Reasoning);

/// <summary>A piece of a tool call. The server names it once; arguments come in pieces.</summary>
internal readonly record struct UpstreamToolCall(int Index, string? Id, string? Name, string Arguments);

/// <summary>What one event says about one choice.</summary>
internal sealed record UpstreamChoice(
    int Index, string Text, string Reasoning, ImmutableArray<UpstreamToolCall> ToolCalls, ImmutableArray<TokenLogprobs> Logprobs, string? FinishReason, string? MatchedStop);

/// <summary>One event of a streamed answer, whatever the server's dialect.</summary>
/// <remarks>
/// Dialects seen: usage in an event of its own with <c>choices</c> empty, <c>null</c> or absent; reasoning as <c>reasoning_content</c> or
/// <c>reasoning</c>; stop strings as <c>stop_reason</c> or <c>matched_stop</c>; errors as an <c>error</c> object inside the stream.
/// </remarks>
internal sealed record UpstreamChunk(ImmutableArray<UpstreamChoice> Choices, UpstreamUsage? Usage, bool IsError)
{
    /// <exception cref="JsonException">Not JSON, or not of the expected shape.</exception>
    public static UpstreamChunk Read(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        try
        {
            return Read(document.RootElement);
        }
        catch (InvalidOperationException exception)
        {
            // A number where a list's objects are expected, or half a surrogate pair.
            throw new JsonException("an event is of another shape", exception);
        }
    }

    private static UpstreamChunk Read(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("an event is no object");
        }

        bool isError = root.TryGetProperty("error", out JsonElement error) && error.ValueKind is JsonValueKind.Object or JsonValueKind.String;
        ImmutableArray<UpstreamChoice>.Builder choices = ImmutableArray.CreateBuilder<UpstreamChoice>();
        if (root.TryGetProperty("choices", out JsonElement listed) && listed.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement choice in listed.EnumerateArray())
            {
                choices.Add(ReadChoice(choice));
            }
        }

        return new UpstreamChunk(choices.ToImmutable(), ReadUsage(root), isError);
    }

    private static UpstreamChoice ReadChoice(JsonElement choice)
    {
        if (choice.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException("a choice is no object");
        }

        JsonElement delta = choice.TryGetProperty("delta", out JsonElement d) && d.ValueKind == JsonValueKind.Object ? d : choice;
        return new UpstreamChoice(
            Number(choice, "index"),
            Text(delta, "content") ?? Text(choice, "text") ?? "",
            Text(delta, "reasoning_content") ?? Text(delta, "reasoning") ?? "",
            ReadToolCalls(delta),
            ReadLogprobs(choice),
            Text(choice, "finish_reason"),
            Text(choice, "stop_reason") ?? Text(choice, "matched_stop"));
    }

    private static ImmutableArray<UpstreamToolCall> ReadToolCalls(JsonElement delta)
    {
        if (!delta.TryGetProperty("tool_calls", out JsonElement calls) || calls.ValueKind != JsonValueKind.Array)
        {
            return [];
        }

        ImmutableArray<UpstreamToolCall>.Builder read = ImmutableArray.CreateBuilder<UpstreamToolCall>();
        foreach (JsonElement call in calls.EnumerateArray())
        {
            JsonElement function = call.ValueKind == JsonValueKind.Object && call.TryGetProperty("function", out JsonElement f) && f.ValueKind == JsonValueKind.Object
                ? f
                : throw new JsonException("a tool call without function");
            read.Add(new UpstreamToolCall(
                call.TryGetProperty("index", out _) ? Number(call, "index") : read.Count, Text(call, "id"), Text(function, "name"), Text(function, "arguments") ?? ""));
        }

        return read.ToImmutable();
    }

    private static ImmutableArray<TokenLogprobs> ReadLogprobs(JsonElement choice)
    {
        if (!choice.TryGetProperty("logprobs", out JsonElement logprobs) || logprobs.ValueKind != JsonValueKind.Object
            || !logprobs.TryGetProperty("content", out JsonElement content) || content.ValueKind != JsonValueKind.Array)
        {
            return [];
        }

        ImmutableArray<TokenLogprobs>.Builder read = ImmutableArray.CreateBuilder<TokenLogprobs>();
        foreach (JsonElement token in content.EnumerateArray())
        {
            ImmutableArray<TokenLogprob> top = token.TryGetProperty("top_logprobs", out JsonElement others) && others.ValueKind == JsonValueKind.Array
                ? [.. others.EnumerateArray().Take(RequestChecks.MaxTopLogprobs).Select(ReadLogprob)]
                : [];
            read.Add(new TokenLogprobs(ReadLogprob(token), top));
        }

        return read.ToImmutable();
    }

    private static TokenLogprob ReadLogprob(JsonElement token)
    {
        byte[] bytes = token.TryGetProperty("bytes", out JsonElement listed) && listed.ValueKind == JsonValueKind.Array
            ? [.. listed.EnumerateArray().Select(b => b.TryGetByte(out byte value) ? value : throw new JsonException("bytes"))]
            : Encoding.UTF8.GetBytes(Text(token, "token") ?? "");
        float logprob = token.TryGetProperty("logprob", out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) ? number : 0;
        return new TokenLogprob(0, bytes, logprob);
    }

    private static UpstreamUsage? ReadUsage(JsonElement root)
    {
        if (!root.TryGetProperty("usage", out JsonElement usage) || usage.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        int Detail(string group, string name) =>
            usage.TryGetProperty(group, out JsonElement details) && details.ValueKind == JsonValueKind.Object ? Number(details, name) : 0;

        return new UpstreamUsage(
            Number(usage, "prompt_tokens"), Detail("prompt_tokens_details", "cached_tokens"), Number(usage, "completion_tokens"),
            Detail("completion_tokens_details", "reasoning_tokens"));
    }

    private static int Number(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0 ? number : 0;

    private static string? Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
