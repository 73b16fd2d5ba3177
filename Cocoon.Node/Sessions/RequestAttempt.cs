using Cocoon.Node.Payments;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;

namespace Cocoon.Node.Sessions;

/// <summary>One attempt at a request: what it tells the loop around it, and what the application hears of it.</summary>
/// <param name="prompt">For whoever keeps prompts by who has read them.</param>
internal sealed class RequestAttempt(PromptPrefix prompt)
{
    private AnswerSource? _source;
    private uint? _completionTokens;
    private string? _receiptId;

    /// <summary>It runs on a session kept warm that has not answered yet.</summary>
    public bool IsStale { get; set; }

    public PromptPrefix Prompt { get; } = prompt;

    public ClientChannel? Channel { get; set; }

    public SessionRun? Run { get; set; }

    /// <summary>Its application's key lets it spend less than it may cost.</summary>
    public bool IsCapped { get; set; }

    public ulong PromptPrice { get; set; }

    public uint PromptTokens { get; set; }

    public uint CachedTokens { get; set; }

    /// <summary>What the application hears of a part: of a replacement only what goes on, and in the end the sums over all providers.</summary>
    public AnswerPart? Tell(AnswerPart part, DeliveredAnswer delivered)
    {
        switch (part)
        {
            case AnswerPart.Opened opened:
                _source = opened.Source;
                return delivered.Segments.Count == 0 ? part : null;
            case AnswerPart.Begun begun:
                delivered.Begin(begun);
                return delivered.Segments.Count == 0 ? part : null;
            case AnswerPart.Text text:
                delivered.Add(text.Delta);
                return part;
            case AnswerPart.Ended ended:
                _completionTokens = ended.Finished.Usage?.CompletionTokens ?? 0;
                return new AnswerPart.Ended(delivered.Whole(ended.Finished));
            case AnswerPart.Completed completed:
                _receiptId = completed.ReceiptId;
                AnswerSegment segment = Segment(delivered, null);
                List<AnswerSegment> segments = [.. delivered.Segments, segment];
                return completed with { Cost = Cost(segments), Segments = segments };
            default:
                return part;
        }
    }

    public AnswerSegment Segment(DeliveredAnswer delivered, InferenceException? failure)
    {
        AnswerCost cost = Run!.Cost;
        ulong replay = delivered.Segments.Count == 0
            ? 0
            : Math.Min(cost.CostNanoton, Metering.Due(new Prices { Prompt = PromptPrice }, new TokenCounts(PromptTokens, 0, 0)));
        return new AnswerSegment(
            _source!, PromptTokens, _completionTokens ?? delivered.TokensOfLast, cost.CostNanoton, replay, _receiptId, failure is { } reason ? FailureWords.Of(reason) : null);
    }

    /// <summary>The last provider's channel, and the sums over all.</summary>
    public AnswerCost Cost(IReadOnlyList<AnswerSegment> segments) => Run!.Cost with
    {
        CostNanoton = segments.Aggregate(0UL, (sum, s) => sum + s.CostNanoton),
    };
}
