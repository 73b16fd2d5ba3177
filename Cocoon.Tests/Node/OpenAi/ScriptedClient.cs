using System.Runtime.CompilerServices;
using System.Text;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>Answers with the words it was given, one delta each; or fails where told.</summary>
internal sealed class ScriptedClient(params string[] words) : IInferenceClient
{
    public const string Model = "cocoon-guide";

    public InferenceException? FailBefore { get; init; }

    /// <summary>Thrown after the first word.</summary>
    public InferenceException? FailAfterFirst { get; init; }

    public Ask? LastAsk { get; private set; }

    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Waits for cancellation after the first word.</summary>
    public bool Hangs { get; init; }

    public IReadOnlyList<OfferedModel> Models { get; } = [new(Model, new string('a', 64), "open", 2, 2048, DateTimeOffset.UnixEpoch)];

    public async IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        LastAsk = ask;
        if (FailBefore is not null)
        {
            throw FailBefore;
        }

        yield return new AnswerPart.Opened(new AnswerSource("12D3KooWtest", "open", "simulated", Model, new string('a', 64), "claimed", "EQchannel", "fast"));
        yield return new AnswerPart.Begun(7, 0);
        for (int i = 0; i < words.Length; i++)
        {
            yield return new AnswerPart.Text(new Delta { Text = words[i], TokenIds = { (uint)i }, DueNanoton = (ulong)i });
            if (FailAfterFirst is not null)
            {
                throw FailAfterFirst;
            }

            if (Hangs)
            {
                try
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                }
                finally
                {
                    Cancelled.TrySetResult();
                }
            }
        }

        yield return new AnswerPart.Ended(new Finished
        {
            Choices = { new ChoiceEnd { FinishReason = "stop" } },
            Usage = new Usage { PromptTokens = 7, CompletionTokens = (uint)words.Length },
            DueNanoton = 42,
        });
        yield return new AnswerPart.Completed(new AnswerCost(42, 2, 100, "EQchannel"), "abc", "/receipts/abc.json");
    }

    public static string BodyText(Ask ask) => Encoding.UTF8.GetString(ask.Body.Span);
}
