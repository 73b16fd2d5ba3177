using System.Collections.Immutable;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.EndToEnd;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Managed memory that decoding takes, counted in bytes on the decode thread.</summary>
public sealed class DecodeAllocationTests
{
    private const int Answers = 4, Window = 120;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly Dictionary<string, SamplingOptions> Samplings = new()
    {
        ["greedy"] = SamplingOptions.Greedy,
        ["drawn with penalties"] = new() { Seed = 7, TopP = 0.9f, TopK = 40, FrequencyPenalty = 0.5f, PresencePenalty = 0.2f, RepetitionPenalty = 1.1f },
        ["from the whole vocabulary with bias and logprobs"] = new()
        {
            Seed = 3, LogitBias = ImmutableDictionary<int, float>.Empty.Add(40, 1), Logprobs = true, TopLogprobs = 5,
        },
    };

    /// <summary>
    /// Every answer is stopped by its gate after each window. First two longer ones with nobody reading, so that both buffers of each answer
    /// have grown beyond a window's size; then twice more, with readers and without.
    /// </summary>
    [TestCase("greedy"), TestCase("drawn with penalties"), TestCase("from the whole vocabulary with bias and logprobs")]
    [CancelAfter(120_000)]
    public async Task DecodeStep_SteadyState_AllocatesNothing(string sampling, CancellationToken cancellationToken)
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: Answers, context: 1024);
        TestGate[] gates = [.. Enumerable.Range(0, Answers).Select(_ => new TestGate(1000, 2 * Window))];
        IAsyncEnumerator<GenerationEvent>[] answers = [.. gates.Select(gate => engine.GenerateAsync(
            TestEngine.Text("one and the same beginning") with
            {
                Gate = gate, IgnoreEnd = true, MaxTokens = null, Sampling = Samplings[sampling], Stop = ["never said", "nor this"],
            }, cancellationToken).GetAsyncEnumerator(cancellationToken))];
        foreach (IAsyncEnumerator<GenerationEvent> answer in answers)
        {
            await answer.MoveNextAsync();
        }

        await ParkedAsync(engine, cancellationToken);
        await ReadAsync(answers);
        await NextWindowAsync(4, isRead: false);
        await ReadAsync(answers);
        await NextWindowAsync(5, isRead: true);

        long steps = engine.Steps, before = engine.AllocatedBytes;
        await NextWindowAsync(6, isRead: false);
        long unread = engine.AllocatedBytes - before;
        await ReadAsync(answers);
        before = engine.AllocatedBytes;
        await NextWindowAsync(7, isRead: true);
        long read = engine.AllocatedBytes - before;
        Assert.That(engine.Steps - steps, Is.GreaterThanOrEqualTo(2 * Window), "both windows were decoded");
        Assert.That((unread, read), Is.EqualTo((0L, 0L)), $"bytes in {Window} steps of {Answers} answers, unread and read at the same time");
        foreach (IAsyncEnumerator<GenerationEvent> answer in answers)
        {
            await answer.DisposeAsync();
        }

        async Task NextWindowAsync(int windows, bool isRead)
        {
            foreach (TestGate gate in gates)
            {
                gate.Raise(1000, windows * Window);
            }

            if (isRead)
            {
                await ReadAsync(answers);
            }

            // What the engine says of who is parked is of its last step: without this it would be who was parked before the window. Asked
            // again and again, because to be told would be work of the decode thread.
            await Eventually.TrueAsync("every gate has closed again", () => gates.All(gate => gate.Refused.IsCompleted), Patience, cancellationToken);
            await ParkedAsync(engine, cancellationToken);
        }
    }

    private static async Task ParkedAsync(LlamaCppEngine engine, CancellationToken cancellationToken) => await Eventually.GetAsync<object>(
        "every answer waits at its gate", async () => (await engine.CheckAsync(cancellationToken)).Parked == Answers ? engine : null, Patience, cancellationToken);

    /// <summary>Takes all that was said until each answer is parked.</summary>
    private static Task ReadAsync(IAsyncEnumerator<GenerationEvent>[] answers) => Task.WhenAll(answers.Select(async answer =>
    {
        while (await answer.MoveNextAsync() && answer.Current is not GenerationEvent.Parked)
        {
        }
    }));
}
