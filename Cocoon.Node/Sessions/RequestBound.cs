using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>The most a client lets one request cost, known before anything is sent.</summary>
/// <remarks>
/// Without the model's vocabulary a prompt cannot have more tokens than UTF-8 bytes plus what the chat template adds per message.
/// </remarks>
internal static class RequestBound
{
    private const uint TemplateTokensPerMessage = 32, TemplateTokens = 128;

    /// <summary>Of one generated token with all that can be asked about it: its text, and twenty likelier ones.</summary>
    private const long BytesPerToken = 4 << 10;

    /// <summary>Texts of one embedding request, as OpenAI has it.</summary>
    private const int MaxInputs = 2048;

    /// <summary>What comes beside tokens: progress on the prompt, the end, the receipt.</summary>
    private const long BytesBeside = 1 << 20;

    public const uint DefaultMaxTokens = 1024;

    public static uint PromptTokens(Ask ask) =>
        (uint)Math.Min(int.MaxValue, ask.Body.Length + (ask.Resume?.DeliveredText.Length ?? 0) + TemplateTokens + ((long)ask.Messages * TemplateTokensPerMessage));

    /// <summary>Of each choice.</summary>
    public static uint CompletionTokens(Ask ask, Quote quote)
    {
        uint wanted = ask.MaxTokens ?? DefaultMaxTokens;
        return quote.MaxOutputTokens == 0 ? wanted : Math.Min(wanted, quote.MaxOutputTokens);
    }

    /// <summary>Most bytes of an answer, its frames opened: an enclave that sends more has no answer in mind.</summary>
    public static long AnswerBytes(Ask ask, Quote quote) => BytesBeside + (ask.Endpoint == SealedRequest.Types.Endpoint.Embeddings
        ? (long)AnswerReader.MaxEventSize * Math.Clamp(ask.Body.Length / 2, 1, MaxInputs)
        : BytesPerToken * Math.Min(int.MaxValue, (long)CompletionTokens(ask, quote) * ask.Choices));

    public static ulong Due(Ask ask, Quote quote) => Math.Min(
        ask.MaxDueNanoton ?? ulong.MaxValue,
        Metering.Due(
            quote.Prices,
            new TokenCounts(Prompt(ask, quote), 0, (uint)Math.Min(int.MaxValue, (ulong)CompletionTokens(ask, quote) * ask.Choices))));

    /// <summary>An embedding request reads several inputs, each within the context; every other request reads one.</summary>
    private static uint Prompt(Ask ask, Quote quote) => ask.Endpoint == SealedRequest.Types.Endpoint.Embeddings
        ? PromptTokens(ask)
        : Math.Min(PromptTokens(ask), Math.Max(1, quote.ContextTokens));

    /// <summary>The power of two that hides the exact limit from the host.</summary>
    public static uint OutputBucket(uint completionTokens) => System.Numerics.BitOperations.RoundUpToPowerOf2(Math.Max(64, completionTokens));
}
