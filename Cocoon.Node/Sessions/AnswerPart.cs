using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>Who answers, under which terms; known before the first token.</summary>
/// <param name="Provider">Peer id of the provider node.</param>
/// <param name="EvidenceKind"><c>tdx</c>, <c>sev-snp</c> or <c>simulated</c>.</param>
/// <param name="ModelId">SHA-256 of the model manifest, 64 hexadecimal digits.</param>
/// <param name="ModelAssurance"><c>attested</c> or <c>claimed</c>: whether evidence links the model id to the weights in use.</param>
internal sealed record AnswerSource(
    string Provider,
    string Tier,
    string EvidenceKind,
    string ModelName,
    string ModelId,
    string ModelAssurance,
    string Channel,
    string Shape)
{
    /// <summary>Peer ids of the privacy relays between, in order from the client; empty for a direct path.</summary>
    public IReadOnlyList<string> Relays { get; init; } = [];
}

/// <summary>What the payment side of one answer came to.</summary>
/// <param name="CostNanoton">The due that the enclave metered.</param>
/// <param name="Vouchers">Vouchers signed for this answer.</param>
/// <param name="TotalNanoton">Highest total signed on the channel.</param>
internal sealed record AnswerCost(ulong CostNanoton, int Vouchers, ulong TotalNanoton, string Channel);

/// <summary>A piece of an answer, in order. A closed set; <see cref="Completed"/> is the last, or an exception instead.</summary>
internal abstract record AnswerPart
{
    private AnswerPart()
    {
    }

    public sealed record Opened(AnswerSource Source) : AnswerPart;

    public sealed record Begun(uint PromptTokens, uint CachedTokens) : AnswerPart;

    public sealed record Text(Delta Delta) : AnswerPart;

    public sealed record Vector(Embedding Embedding) : AnswerPart;

    /// <summary>The answer is whole; payment and receipt follow.</summary>
    public sealed record Ended(Finished Finished) : AnswerPart;

    /// <param name="ReceiptId">Name of the stored receipt, or <c>null</c> when the provider did not deliver one.</param>
    public sealed record Completed(AnswerCost Cost, string? ReceiptId, string? ReceiptPath) : AnswerPart
    {
        /// <summary>What each provider gave, in order; more than one when a lost one was replaced in the middle.</summary>
        public IReadOnlyList<AnswerSegment> Segments { get; init; } = [];
    }
}

/// <summary>One provider's part of an answer.</summary>
/// <param name="PromptTokens">Of this provider: for a replacement the prompt and everything delivered before.</param>
/// <param name="ReplayNanoton">What of the cost is the prompt being read once more, at most; 0 for the first segment.</param>
/// <param name="EndedBy">Reason word of the loss; <c>null</c> for the one that finished.</param>
internal sealed record AnswerSegment(
    AnswerSource Source, uint PromptTokens, uint CompletionTokens, ulong CostNanoton, ulong ReplayNanoton, string? ReceiptId, string? EndedBy);
