using System.Globalization;
using System.Text;
using System.Text.Json;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.OpenAi;

/// <summary>Parts that the objects of several endpoints share.</summary>
internal static class OpenAiJson
{
    public static void WriteUsage(Utf8JsonWriter json, Usage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", usage.PromptTokens);
        json.WriteNumber("completion_tokens", usage.CompletionTokens);
        json.WriteNumber("total_tokens", usage.PromptTokens + usage.CompletionTokens);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", usage.CachedTokens);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The chat form of log-probabilities; <c>null</c> when there are none.</summary>
    public static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> logprobs)
    {
        if (logprobs.Count == 0)
        {
            json.WriteNull("logprobs");
            return;
        }

        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (TokenLogprob entry in logprobs)
        {
            WriteLogprob(json, entry);
        }

        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    public static void WriteLogprob(Utf8JsonWriter json, TokenLogprob entry, bool nested = false)
    {
        json.WriteStartObject();
        json.WriteString("token", Encoding.UTF8.GetString(entry.Token.Span));
        json.WriteNumber("logprob", entry.Logprob);
        json.WriteStartArray("bytes");
        foreach (byte value in entry.Token.Span)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
        if (!nested)
        {
            json.WriteStartArray("top_logprobs");
            foreach (TokenLogprob top in entry.Top)
            {
                WriteLogprob(json, top, nested: true);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>Our own facts: who answered under which protection, what it cost, and where a lost provider was replaced.</summary>
    public static void WriteCocoon(Utf8JsonWriter json, AnswerSource? source, AnswerPart.Completed completed)
    {
        json.WriteStartObject("cocoon");
        if (source is not null)
        {
            json.WriteString("tier", source.Tier);
            json.WriteString("evidence_kind", source.EvidenceKind);
            json.WriteString("provider", source.Provider);
            json.WriteString("model_id", source.ModelId);
            json.WriteString("model_assurance", source.ModelAssurance);
            json.WriteString("shape", source.Shape);
            json.WriteStartArray("relays");
            foreach (string relay in source.Relays)
            {
                json.WriteStringValue(relay);
            }

            json.WriteEndArray();
        }

        json.WriteString("cost_nanoton", Amount(completed.Cost.CostNanoton));
        json.WriteString("channel", completed.Cost.Channel);
        json.WriteNumber("vouchers", completed.Cost.Vouchers);
        json.WriteString("voucher_total_nanoton", Amount(completed.Cost.TotalNanoton));
        json.WriteString("receipt", completed.ReceiptId);
        if (completed.Segments.Count > 1)
        {
            WriteSegments(json, completed.Segments);
        }

        json.WriteEndObject();
    }

    public static string Amount(ulong nanoton) => nanoton.ToString(CultureInfo.InvariantCulture);

    private static void WriteSegments(Utf8JsonWriter json, IReadOnlyList<AnswerSegment> segments)
    {
        json.WriteStartArray("segments");
        foreach (AnswerSegment segment in segments)
        {
            json.WriteStartObject();
            json.WriteString("provider", segment.Source.Provider);
            json.WriteString("tier", segment.Source.Tier);
            json.WriteNumber("prompt_tokens", segment.PromptTokens);
            json.WriteNumber("completion_tokens", segment.CompletionTokens);
            json.WriteString("cost_nanoton", Amount(segment.CostNanoton));
            json.WriteString("replay_cost_nanoton", Amount(segment.ReplayNanoton));
            json.WriteString("channel", segment.Source.Channel);
            json.WriteString("receipt", segment.ReceiptId);
            json.WriteString("ended_by", segment.EndedBy);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
