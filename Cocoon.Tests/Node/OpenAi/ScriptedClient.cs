using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Tests.Node.OpenAi;

/// <summary>Answers with the words it was given, one delta each; or fails where told.</summary>
internal sealed class ScriptedClient(params string[] words) : IInferenceClient
{
    public const string Model = "cocoon-guide";

    public InferenceException? FailBefore { get; init; }

    /// <summary>Thrown after the first word.</summary>
    public InferenceException? FailAfterFirst { get; init; }

    /// <summary>Every part of the answer to a request; instead of the words.</summary>
    public Func<Ask, IEnumerable<AnswerPart>>? Script { get; init; }

    /// <summary>Text that goes on until the reader leaves.</summary>
    public Func<string>? Endless { get; init; }

    public ConcurrentQueue<Ask> Asks { get; } = new();

    public Ask? LastAsk => Asks.LastOrDefault();

    public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Waits for cancellation after the first word.</summary>
    public bool Hangs { get; init; }

    /// <summary>After the first word the next one arrives just when the reader leaves.</summary>
    public bool ArrivesWhileLeaving { get; init; }

    public static AnswerSource Source { get; } = new("12D3KooWtest", "open", "simulated", Model, new string('a', 64), "claimed", "EQchannel", "fast");

    /// <summary>What comes before the text.</summary>
    public static IEnumerable<AnswerPart> Head => [new AnswerPart.Opened(Source), new AnswerPart.Begun(7, 0)];

    public IReadOnlyList<AvailableModel> Models { get; } =
    [
        new(Model, new string('a', 64), "open", 2, 2048, DateTimeOffset.UnixEpoch)
        {
            Tiers = new Dictionary<string, int> { ["open"] = 2 },
            Lowest = new Prices { Prompt = 10, Cached = 1, Completion = 30 },
        },
    ];

    /// <summary>What comes after it.</summary>
    public static IEnumerable<AnswerPart> Tail(uint tokens, string reason = "stop") =>
    [
        new AnswerPart.Ended(new Finished
        {
            Choices = { new ChoiceEnd { FinishReason = reason } },
            Usage = new Usage { PromptTokens = 7, CompletionTokens = tokens },
            DueNanoton = 42,
        }),
        new AnswerPart.Completed(new AnswerCost(42, 2, 100, "EQchannel"), "abc", "/receipts/abc.json"),
    ];

    public async IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Asks.Enqueue(ask);
        await Task.Yield();
        if (FailBefore is not null)
        {
            throw FailBefore;
        }

        foreach (AnswerPart part in Script?.Invoke(ask) ?? Head)
        {
            yield return part;
        }

        if (Script is not null)
        {
            yield break;
        }

        try
        {
            while (Endless is not null)
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new AnswerPart.Text(new Delta { Text = Endless() });
            }
        }
        finally
        {
            if (Endless is not null)
            {
                Cancelled.TrySetResult();
            }
        }

        for (int i = 0; i < words.Length; i++)
        {
            yield return new AnswerPart.Text(new Delta { Text = words[i], TokenIds = { (uint)i }, DueNanoton = (ulong)i });
            if (FailAfterFirst is not null)
            {
                throw FailAfterFirst;
            }

            if (ArrivesWhileLeaving)
            {
                try
                {
                    await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    for (int turn = 0; turn < 100; turn++)
                    {
                        await Task.Yield();
                    }

                    yield return new AnswerPart.Text(new Delta { Text = "late" });
                }
                finally
                {
                    Cancelled.TrySetResult();
                }
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

        foreach (AnswerPart part in Tail((uint)words.Length))
        {
            yield return part;
        }
    }

    public static string BodyText(Ask ask) => Encoding.UTF8.GetString(ask.Body.Span);
}
