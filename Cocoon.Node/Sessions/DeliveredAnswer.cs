using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Sessions;

/// <summary>What the application already has of an answer, and how the rest of it is asked of another provider.</summary>
/// <remarks>
/// Only plain text goes on elsewhere: reasoning that has no text after it yet, a call, several choices or a grammar depend on a state that
/// is lost with the first provider. Memory is bounded by the answer itself, which the request bounds.
/// </remarks>
internal sealed class DeliveredAnswer(Ask ask)
{
    private readonly StringBuilder _text = new();
    private readonly List<AnswerSegment> _segments = [];
    private Usage? _prompt;
    private uint _tokens;
    private uint _reasoningTokens;
    private bool _hasCalls;
    private bool _hasReasoning;

    /// <summary>Nothing that an application sees has been given out.</summary>
    public bool IsEmpty => _text.Length == 0 && !_hasCalls && !_hasReasoning;

    /// <summary>Whether another provider can be asked to go on.</summary>
    public bool CanGoOn => _text.Length > 0 && !_hasCalls && ask.Choices == 1 && IsPlain(ask);

    /// <summary>Every token that was asked for has been delivered: only the end was lost.</summary>
    public bool IsWhole => _tokens >= Limit;

    public IReadOnlyList<AnswerSegment> Segments => _segments;

    private uint Limit => ask.MaxTokens ?? RequestBound.DefaultMaxTokens;

    public void Begin(AnswerPart.Begun begun) => _prompt ??= new Usage { PromptTokens = begun.PromptTokens, CachedTokens = begun.CachedTokens };

    public void Add(Delta delta)
    {
        _text.Append(delta.Text);
        _tokens += (uint)delta.TokenIds.Count;
        _reasoningTokens += delta.Reasoning.Length > 0 ? (uint)delta.TokenIds.Count : 0;
        _hasReasoning |= delta.Reasoning.Length > 0;
        _hasCalls |= delta.ToolCall is not null;
    }

    public void End(AnswerSegment segment) => _segments.Add(segment);

    /// <summary>The request for the rest: the delivered text stands in the prompt, and its tokens are taken off the limit.</summary>
    public Ask Continue()
    {
        byte[] text = Encoding.UTF8.GetBytes(_text.ToString());
        uint left = Limit - _tokens;
        JsonObject body = JsonNode.Parse(ask.Body.Span)!.AsObject();
        string field = body["max_completion_tokens"] is null ? "max_tokens" : "max_completion_tokens";
        body[field] = left;
        return ask with
        {
            Body = JsonSerializer.SerializeToUtf8Bytes(body),
            MaxTokens = left,
            Resume = new Resume
            {
                DeliveredText = UnsafeByteOperations.UnsafeWrap(text),
                DeliveredTextDigest = UnsafeByteOperations.UnsafeWrap(SHA256.HashData(text)),
                Segment = (uint)_segments.Count,
            },
        };
    }

    /// <summary>Usage of the whole answer: the prompt once, and the tokens of all segments.</summary>
    public Finished Whole(Finished last)
    {
        if (_segments.Count == 0)
        {
            return last;
        }

        Finished whole = last.Clone();
        Usage own = last.Usage ?? new Usage();
        whole.Usage = new Usage
        {
            PromptTokens = _prompt?.PromptTokens ?? own.PromptTokens,
            CachedTokens = _prompt?.CachedTokens ?? own.CachedTokens,
            CompletionTokens = (uint)_segments.Sum(s => s.CompletionTokens) + own.CompletionTokens,
            ReasoningTokens = _reasoningTokens + own.ReasoningTokens,
        };
        return whole;
    }

    /// <summary>The end of an answer whose last token came before its provider went.</summary>
    public Finished CutAtLimit() => new()
    {
        Choices = { new ChoiceEnd { FinishReason = "length" } },
        Usage = new Usage
        {
            PromptTokens = _prompt?.PromptTokens ?? 0,
            CachedTokens = _prompt?.CachedTokens ?? 0,
            CompletionTokens = _tokens,
            ReasoningTokens = _reasoningTokens,
        },
    };

    /// <summary>Tokens that this provider has delivered, of all that were.</summary>
    public uint TokensOfLast => _tokens - (uint)_segments.Sum(s => s.CompletionTokens);

    private static bool IsPlain(Ask ask)
    {
        if (ask.Endpoint is not (SealedRequest.Types.Endpoint.ChatCompletions or SealedRequest.Types.Endpoint.Completions))
        {
            return false;
        }

        using JsonDocument document = JsonDocument.Parse(ask.Body);
        JsonElement root = document.RootElement;
        bool isText = !root.TryGetProperty("response_format", out JsonElement format)
            || format.ValueKind == JsonValueKind.Null
            || (format.ValueKind == JsonValueKind.Object && format.TryGetProperty("type", out JsonElement type) && type.ValueEquals("text"));
        bool isFree = !root.TryGetProperty("tool_choice", out JsonElement choice)
            || choice.ValueKind == JsonValueKind.Null
            || (choice.ValueKind == JsonValueKind.String && !choice.ValueEquals("required"));
        bool isWritten = !root.TryGetProperty("prompt", out JsonElement prompt) || prompt.ValueKind == JsonValueKind.String;
        return isText && isFree && isWritten;
    }
}
