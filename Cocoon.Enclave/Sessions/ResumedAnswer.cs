using System.Security.Cryptography;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Enclave.Sessions;

/// <summary>Continues an answer that another provider began: the text that was delivered stands in the prompt, and generation goes on after it.</summary>
/// <remarks>
/// Only text can be continued: what a grammar, several choices or an unfinished call depend on is lost with the first provider, and the
/// client is told so instead of being given something else.
/// </remarks>
internal static class ResumedAnswer
{
    private const int MaxSegment = 8;

    /// <exception cref="OpenAiRequestException">The text is not the one that was delivered, or this kind of answer cannot go on.</exception>
    public static GenerationRequest Apply(GenerationRequest request, Resume resume)
    {
        if (resume.Segment is 0 or > MaxSegment
            || resume.DeliveredText.IsEmpty
            || !CryptographicOperations.FixedTimeEquals(SHA256.HashData(resume.DeliveredText.Span), resume.DeliveredTextDigest.Span)
            || !System.Text.Unicode.Utf8.IsValid(resume.DeliveredText.Span))
        {
            throw new OpenAiRequestException("The part of the answer to go on from is not whole.", code: "resume_invalid");
        }

        string delivered = resume.DeliveredText.ToStringUtf8();
        return request.Constraint is null && request.Choices == 1
            ? request with
            {
                Prompt = request.Prompt switch
                {
                    PromptInput.Chat { ToolChoice: ToolChoiceMode.Auto or ToolChoiceMode.None } chat => chat with { AnswerPrefix = delivered },
                    PromptInput.Text text => new PromptInput.Text(text.Value + delivered),
                    _ => throw Unsupported(),
                },
            }
            : throw Unsupported();
    }

    private static OpenAiRequestException Unsupported() => new("This kind of answer cannot go on elsewhere.", code: "resume_unsupported");
}
