using System.Text;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Enclave.Sessions;

/// <summary>What an answer has used and said so far, and the wire events for what the engine says.</summary>
internal sealed class AnswerState(Prices prices)
{
    private readonly SortedDictionary<int, StringBuilder> _texts = [];
    private readonly SortedDictionary<int, ChoiceEnd> _ends = [];
    private uint _promptTotal;
    private uint _cached;
    private uint _reasoning;

    /// <summary>Up to the last event given out: what the client can know of.</summary>
    public TokenCounts Used { get; private set; }

    public ulong Due => Metering.Due(prices, Used);

    public Usage Usage => new()
    {
        PromptTokens = Used.Prompt,
        CachedTokens = Used.Cached,
        CompletionTokens = Used.Completion,
        ReasoningTokens = _reasoning,
    };

    public IEnumerable<string> Texts => _texts.Values.Select(t => t.ToString());

    public bool HasContent => _texts.Values.Any(t => t.Length > 0) || Used.Completion > 0;

    /// <summary>The event for the client; <c>null</c> when this one is not told.</summary>
    public AnswerEvent? Apply(GenerationEvent happened)
    {
        switch (happened)
        {
            case GenerationEvent.Started started:
                _promptTotal = (uint)started.PromptTokens;
                _cached = (uint)started.CachedTokens;
                return new AnswerEvent { Started = new Started { PromptTokens = _promptTotal, CachedTokens = _cached } };
            case GenerationEvent.PrefillProgress progress:
                // An engine that cannot count beforehand says less at the start than it finds.
                _promptTotal = Math.Max(_promptTotal, (uint)progress.Total);
                Used = Used with { Prompt = Math.Max(Used.Prompt, (uint)progress.Done), Cached = Math.Min(_cached, (uint)progress.Done) };
                return Delta(new Delta());
            case GenerationEvent.Text text:
                Count(text.TokenIds.Length);
                TextOf(text.Choice).Append(text.Delta);
                Delta delta = new() { Choice = (uint)text.Choice, Text = text.Delta, TokenIds = { Ids(text.TokenIds) } };
                delta.Logprobs.Add(text.Logprobs.IsDefaultOrEmpty ? [] : text.Logprobs.Select(Convert));
                return Delta(delta);
            case GenerationEvent.Reasoning reasoning:
                Count(reasoning.TokenIds.Length);
                _reasoning += (uint)reasoning.TokenIds.Length;
                return Delta(new Delta { Choice = (uint)reasoning.Choice, Reasoning = reasoning.Delta, TokenIds = { Ids(reasoning.TokenIds) } });
            case GenerationEvent.ToolCallStart call:
                Count(call.TokenIds.Length);
                return Delta(new Delta
                {
                    Choice = (uint)call.Choice,
                    TokenIds = { Ids(call.TokenIds) },
                    ToolCall = new ToolCallDelta { Index = (uint)call.Index, Id = call.Id, Name = call.Name },
                });
            case GenerationEvent.ToolCallArguments arguments:
                Count(arguments.TokenIds.Length);
                return Delta(new Delta
                {
                    Choice = (uint)arguments.Choice,
                    TokenIds = { Ids(arguments.TokenIds) },
                    ToolCall = new ToolCallDelta { Index = (uint)arguments.Index, Arguments = arguments.Delta },
                });
            case GenerationEvent.Counted counted:
                Used = new TokenCounts(_promptTotal, _cached, Math.Max(Used.Completion, (uint)counted.CompletionTokens));
                return null;
            case GenerationEvent.Embedding embedding:
                return new AnswerEvent { Embedding = new Embedding { Index = (uint)embedding.Index, Values = { embedding.Values } } };
            case GenerationEvent.ChoiceFinished end:
                TextOf(end.Choice);
                _ends[end.Choice] = new ChoiceEnd { Choice = (uint)end.Choice, FinishReason = Word(end.Reason), StopReason = end.MatchedStop ?? "" };
                return null;
            case GenerationEvent.Finished finished:
                // The engine's own count is the last word; it can only add what no event carried.
                TokenUsage usage = finished.Usage;
                Used = new TokenCounts(
                    (uint)usage.PromptTokens, (uint)usage.CachedTokens, Math.Max(Used.Completion, (uint)usage.CompletionTokens));
                _reasoning = (uint)usage.ReasoningTokens;
                return null;
            default:
                return null;
        }
    }

    /// <param name="reason">For choices that did not end by themselves.</param>
    public Finished Finish(string reason)
    {
        Finished finished = new() { Usage = Usage, DueNanoton = Due };
        foreach (int choice in _texts.Keys.Append(0).Distinct())
        {
            finished.Choices.Add(
                _ends.TryGetValue(choice, out ChoiceEnd? end) ? end : new ChoiceEnd { Choice = (uint)choice, FinishReason = reason });
        }

        return finished;
    }

    private AnswerEvent Delta(Delta delta)
    {
        delta.DueNanoton = Due;
        return new AnswerEvent { Delta = delta };
    }

    private void Count(int tokens) =>
        Used = new TokenCounts(_promptTotal, _cached, Used.Completion + (uint)tokens);

    private StringBuilder TextOf(int choice)
    {
        if (!_texts.TryGetValue(choice, out StringBuilder? text))
        {
            _texts[choice] = text = new StringBuilder();
        }

        return text;
    }

    private static IEnumerable<uint> Ids(System.Collections.Immutable.ImmutableArray<int> ids) =>
        ids.IsDefaultOrEmpty ? [] : ids.Select(id => (uint)id);

    private static Cocoon.Protocol.Sessions.Proto.TokenLogprob Convert(TokenLogprobs logprobs)
    {
        Cocoon.Protocol.Sessions.Proto.TokenLogprob chosen = Convert(logprobs.Chosen);
        chosen.Top.Add(logprobs.Top.Select(Convert));
        return chosen;
    }

    private static Cocoon.Protocol.Sessions.Proto.TokenLogprob Convert(Inference.TokenLogprob logprob) =>
        new() { Token = ByteString.CopyFrom(logprob.Bytes.Span), Logprob = logprob.Logprob };

    private static string Word(FinishReason reason) => reason switch
    {
        FinishReason.Length => "length",
        FinishReason.ToolCalls => "tool_calls",
        _ => "stop",
    };
}
