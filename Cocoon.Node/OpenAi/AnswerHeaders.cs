using Cocoon.Node.Sessions;

namespace Cocoon.Node.OpenAi;

/// <summary>The <c>x-cocoon-*</c> headers of an answer; set before its first byte or not at all.</summary>
internal static class AnswerHeaders
{
    public static void Set(HttpResponse response, AnswerSource source)
    {
        if (response.HasStarted)
        {
            return;
        }

        response.Headers["x-cocoon-tier"] = source.Tier;
        response.Headers["x-cocoon-evidence"] = source.EvidenceKind;
        response.Headers["x-cocoon-provider"] = source.Provider;
        response.Headers["x-cocoon-model-id"] = source.ModelId;
        response.Headers["x-cocoon-model-assurance"] = source.ModelAssurance;
    }

    public static void Set(HttpResponse response, AnswerPart.Completed completed)
    {
        response.Headers["x-cocoon-cost-nanoton"] = OpenAiJson.Amount(completed.Cost.CostNanoton);
        if (completed.ReceiptId is not null)
        {
            response.Headers["x-cocoon-receipt"] = completed.ReceiptId;
        }
    }

    /// <summary>Fields of the request that mean nothing here.</summary>
    public static void SetIgnored(HttpResponse response, IReadOnlyList<string> fields)
    {
        string[] plain = [.. fields.Where(f => f.Length <= 64 && f.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))];
        if (plain.Length > 0)
        {
            response.Headers["x-cocoon-ignored"] = string.Join(',', plain);
        }
    }
}
