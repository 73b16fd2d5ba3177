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

    public const uint DefaultMaxTokens = 1024;

    public static uint PromptTokens(Ask ask) =>
        (uint)Math.Min(int.MaxValue, ask.Body.Length + TemplateTokens + ((long)ask.Messages * TemplateTokensPerMessage));

    public static uint CompletionTokens(Ask ask, Quote quote)
    {
        uint wanted = ask.MaxTokens ?? DefaultMaxTokens;
        return quote.MaxOutputTokens == 0 ? wanted : Math.Min(wanted, quote.MaxOutputTokens);
    }

    public static ulong Due(Ask ask, Quote quote) =>
        Metering.Due(quote.Prices, new TokenCounts(Math.Min(PromptTokens(ask), Math.Max(1, quote.ContextTokens)), 0, CompletionTokens(ask, quote)));

    /// <summary>The power of two that hides the exact limit from the host.</summary>
    public static uint OutputBucket(uint completionTokens) => System.Numerics.BitOperations.RoundUpToPowerOf2(Math.Max(64, completionTokens));
}
