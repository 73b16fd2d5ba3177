using System.Text;
using System.Text.Json;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>Writes the text completion objects of the older endpoint, whole or as chunks.</summary>
internal sealed class CompletionWriter(string id, long created, string model)
{
    private AnswerSource? _source;
    private int _offset;

    public void SetSource(AnswerSource? source) => _source = source;

    public void WriteChunk(Utf8JsonWriter json, uint index, string text, IReadOnlyList<TokenLogprob> logprobs, string? finishReason)
    {
        WriteHead(json);
        json.WriteStartArray("choices");
        WriteChoice(json, index, text, logprobs, finishReason, ref _offset);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public void WriteUsageChunk(Utf8JsonWriter json, Usage usage)
    {
        WriteHead(json);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        OpenAiJson.WriteUsage(json, usage);
        json.WriteEndObject();
    }

    public void WriteCostChunk(Utf8JsonWriter json, AnswerPart.Completed completed)
    {
        WriteHead(json);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        OpenAiJson.WriteCocoon(json, _source, completed);
        json.WriteEndObject();
    }

    /// <param name="answers">One per prompt.</param>
    /// <param name="choices">Answers to each prompt.</param>
    public void WriteCompletion(Utf8JsonWriter json, IReadOnlyList<WholeAnswer> answers, IReadOnlyList<string> echoes, uint choices, AnswerPart.Completed? completed)
    {
        WriteHead(json);
        json.WriteStartArray("choices");
        for (int i = 0; i < answers.Count; i++)
        {
            foreach (ChoiceText choice in answers[i].Choices)
            {
                int offset = 0;
                WriteChoice(json, ((uint)i * choices) + choice.Index, echoes[i] + choice.Text, choice.Logprobs, choice.FinishReason, ref offset);
            }
        }

        json.WriteEndArray();
        OpenAiJson.WriteUsage(json, Sum(answers.Select(a => a.Usage)));
        if (completed is not null)
        {
            OpenAiJson.WriteCocoon(json, _source, completed);
        }

        json.WriteEndObject();
    }

    public static Usage Sum(IEnumerable<Usage> all)
    {
        Usage sum = new();
        foreach (Usage usage in all)
        {
            sum.PromptTokens += usage.PromptTokens;
            sum.CachedTokens += usage.CachedTokens;
            sum.CompletionTokens += usage.CompletionTokens;
            sum.ReasoningTokens += usage.ReasoningTokens;
        }

        return sum;
    }

    private static void WriteChoice(Utf8JsonWriter json, uint index, string text, IReadOnlyList<TokenLogprob> logprobs, string? finishReason, ref int offset)
    {
        json.WriteStartObject();
        json.WriteString("text", text);
        json.WriteNumber("index", index);
        WriteLogprobs(json, logprobs, ref offset);
        json.WriteString("finish_reason", finishReason);
        json.WriteEndObject();
    }

    /// <summary>The older form: parallel lists, offsets in characters of the text.</summary>
    private static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> logprobs, ref int offset)
    {
        if (logprobs.Count == 0)
        {
            json.WriteNull("logprobs");
            return;
        }

        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        foreach (TokenLogprob entry in logprobs)
        {
            json.WriteStringValue(Encoding.UTF8.GetString(entry.Token.Span));
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (TokenLogprob entry in logprobs)
        {
            json.WriteNumberValue(entry.Logprob);
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (TokenLogprob entry in logprobs)
        {
            json.WriteStartObject();
            foreach (TokenLogprob top in entry.Top.DistinctBy(t => Encoding.UTF8.GetString(t.Token.Span)))
            {
                json.WriteNumber(Encoding.UTF8.GetString(top.Token.Span), top.Logprob);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("text_offset");
        foreach (TokenLogprob entry in logprobs)
        {
            json.WriteNumberValue(offset);
            offset += Encoding.UTF8.GetCharCount(entry.Token.Span);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "text_completion");
        json.WriteNumber("created", created);
        json.WriteString("model", model);
        json.WriteString("system_fingerprint", _source is { } source ? "fp_" + source.ModelId[..16] : null);
    }
}
