using System.Text;
using System.Text.Json;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>Writes the chat completion objects of OpenAI's API, whole or as chunks, with our facts in a <c>cocoon</c> object.</summary>
internal sealed class ChatCompletionWriter(string id, long created, string model)
{
    private AnswerSource? _source;

    public void SetSource(AnswerSource? source) => _source = source;

    /// <summary>First chunk of a choice: the role and no content.</summary>
    public void WriteRoleChunk(Utf8JsonWriter json, uint choice, bool includeUsage)
    {
        BeginChunk(json, choice);
        json.WriteString("role", "assistant");
        json.WriteString("content", "");
        EndChunk(json, finishReason: null, includeUsage);
    }

    public void WriteDeltaChunk(Utf8JsonWriter json, Delta delta, bool includeUsage)
    {
        BeginChunk(json, delta.Choice);
        if (delta.Text.Length > 0)
        {
            json.WriteString("content", delta.Text);
        }

        if (delta.Reasoning.Length > 0)
        {
            json.WriteString("reasoning_content", delta.Reasoning);
        }

        if (delta.ToolCall is { } call)
        {
            json.WriteStartArray("tool_calls");
            json.WriteStartObject();
            json.WriteNumber("index", call.Index);
            if (call.Id.Length > 0)
            {
                json.WriteString("id", call.Id);
                json.WriteString("type", "function");
            }

            json.WriteStartObject("function");
            if (call.Name.Length > 0)
            {
                json.WriteString("name", call.Name);
            }

            json.WriteString("arguments", call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
        }

        EndChunk(json, finishReason: null, includeUsage, delta.Logprobs);
    }

    public void WriteFinishChunk(Utf8JsonWriter json, ChoiceEnd end, bool includeUsage)
    {
        BeginChunk(json, end.Choice);
        EndChunk(json, end.FinishReason, includeUsage);
    }

    /// <summary>The chunk with no choices that carries usage, sent when <c>stream_options.include_usage</c> is set.</summary>
    public void WriteUsageChunk(Utf8JsonWriter json, Usage usage)
    {
        WriteHead(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteEndArray();
        OpenAiJson.WriteUsage(json, usage);
        json.WriteEndObject();
    }

    /// <summary>Our last chunk before <c>[DONE]</c>: no choices, only the <c>cocoon</c> object with cost and receipt.</summary>
    public void WriteCostChunk(Utf8JsonWriter json, AnswerPart.Completed completed)
    {
        WriteHead(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteEndArray();
        json.WriteNull("usage");
        OpenAiJson.WriteCocoon(json, _source, completed);
        json.WriteEndObject();
    }

    public void WriteCompletion(Utf8JsonWriter json, WholeAnswer answer)
    {
        WriteHead(json, "chat.completion");
        json.WriteStartArray("choices");
        foreach (ChoiceText choice in answer.Choices)
        {
            json.WriteStartObject();
            json.WriteNumber("index", choice.Index);
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            if (choice.Text.Length > 0 || choice.ToolCalls.Count == 0)
            {
                json.WriteString("content", choice.Text.ToString());
            }
            else
            {
                json.WriteNull("content");
            }

            if (choice.Reasoning.Length > 0)
            {
                json.WriteString("reasoning_content", choice.Reasoning.ToString());
            }

            json.WriteNull("refusal");
            WriteToolCalls(json, choice);
            json.WriteEndObject();
            OpenAiJson.WriteLogprobs(json, choice.Logprobs);
            json.WriteString("finish_reason", choice.FinishReason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        OpenAiJson.WriteUsage(json, answer.Usage);
        if (answer.Completed is not null)
        {
            OpenAiJson.WriteCocoon(json, _source, answer.Completed);
        }

        json.WriteEndObject();
    }

    private static void WriteToolCalls(Utf8JsonWriter json, ChoiceText choice)
    {
        if (choice.ToolCalls.Count == 0)
        {
            return;
        }

        json.WriteStartArray("tool_calls");
        foreach ((string callId, string name, StringBuilder arguments) in choice.ToolCalls.Values)
        {
            json.WriteStartObject();
            json.WriteString("id", callId);
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", name);
            json.WriteString("arguments", arguments.ToString());
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void BeginChunk(Utf8JsonWriter json, uint choice)
    {
        WriteHead(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", choice);
        json.WriteStartObject("delta");
    }

    private static void EndChunk(Utf8JsonWriter json, string? finishReason, bool includeUsage, IReadOnlyList<TokenLogprob>? logprobs = null)
    {
        json.WriteEndObject();
        OpenAiJson.WriteLogprobs(json, logprobs ?? []);
        json.WriteString("finish_reason", finishReason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (includeUsage)
        {
            json.WriteNull("usage");
        }

        json.WriteEndObject();
    }

    private void WriteHead(Utf8JsonWriter json, string type)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", type);
        json.WriteNumber("created", created);
        json.WriteString("model", model);
        json.WriteString("system_fingerprint", _source is { } source ? "fp_" + source.ModelId[..16] : null);
    }
}
