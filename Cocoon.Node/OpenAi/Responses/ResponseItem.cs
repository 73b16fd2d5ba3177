using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi.Responses;

internal enum ResponseItemKind
{
    Message,
    Reasoning,
    FunctionCall,
}

/// <summary>One item of a response's output while it grows.</summary>
internal sealed class ResponseItem(ResponseItemKind kind, int index)
{
    public ResponseItemKind Kind { get; } = kind;

    public int Index { get; } = index;

    public string Id { get; } = kind switch
    {
        ResponseItemKind.Message => "msg_",
        ResponseItemKind.Reasoning => "rs_",
        _ => "fc_",
    } + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    /// <summary>Text, reasoning, or the arguments of a call.</summary>
    public StringBuilder Text { get; } = new();

    public List<TokenLogprob> Logprobs { get; } = [];

    public string CallId { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>Index of the call in the model's own count.</summary>
    public uint Call { get; init; }

    public bool IsDone { get; set; }

    public void Write(Utf8JsonWriter json, string status)
    {
        json.WriteStartObject();
        json.WriteString("id", Id);
        switch (Kind)
        {
            case ResponseItemKind.Message:
                json.WriteString("type", "message");
                json.WriteString("status", status);
                json.WriteString("role", "assistant");
                json.WriteStartArray("content");
                if (Text.Length > 0 || IsDone)
                {
                    WritePart(json);
                }

                json.WriteEndArray();
                break;
            case ResponseItemKind.Reasoning:
                json.WriteString("type", "reasoning");
                json.WriteString("status", status);
                json.WriteStartArray("summary");
                json.WriteEndArray();
                json.WriteStartArray("content");
                if (Text.Length > 0 || IsDone)
                {
                    WritePart(json);
                }

                json.WriteEndArray();
                break;
            default:
                json.WriteString("type", "function_call");
                json.WriteString("status", status);
                json.WriteString("call_id", CallId);
                json.WriteString("name", Name);
                json.WriteString("arguments", Text.ToString());
                break;
        }

        json.WriteEndObject();
    }

    /// <summary>The content part that the text is.</summary>
    public void WritePart(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", Kind == ResponseItemKind.Reasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", Text.ToString());
        if (Kind == ResponseItemKind.Message)
        {
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            WriteLogprobs(json, Logprobs);
        }

        json.WriteEndObject();
    }

    public static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> logprobs)
    {
        json.WriteStartArray("logprobs");
        foreach (TokenLogprob entry in logprobs)
        {
            OpenAiJson.WriteLogprob(json, entry);
        }

        json.WriteEndArray();
    }
}
