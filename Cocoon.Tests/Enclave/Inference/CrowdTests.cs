using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference;

/// <summary>Many answers at once, counted in tokens and steps: never in time.</summary>
public sealed class CrowdTests
{
    private const int Streams = 64;

    [Test]
    public async Task Generate_SixtyFourStreams_NoneIsStarved()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: Streams, context: 256, batch: 128);
        int[] tokens = new int[Streams];
        int[]? atFirstEnd = null;
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(async stream =>
        {
            GenerationRequest request = TestEngine.Text($"stream {stream}", 96) with { IgnoreEnd = true };
            await foreach (GenerationEvent happened in engine.GenerateAsync(request, CancellationToken.None))
            {
                if (happened is GenerationEvent.Text text)
                {
                    Interlocked.Add(ref tokens[stream], text.TokenIds.Length);
                }
                else if (happened is GenerationEvent.Finished finished)
                {
                    _ = Interlocked.CompareExchange(ref atFirstEnd, tokens.ToArray(), null);
                    Assert.That(finished.Usage.CompletionTokens, Is.EqualTo(96));
                }
            }
        }));
        Assert.That(tokens, Has.All.EqualTo(96));
        Assert.That(atFirstEnd!.Max() / (double)atFirstEnd!.Min(), Is.LessThan(1.5), "when the first ends, all others are close behind");
    }

    [Test]
    public async Task Generate_MoreStreamsThanSlots_AllEndAndTheQueueIsFair()
    {
        await using LlamaCppEngine engine = await TestEngine.LoadAsync(TestModelMode.Random, slots: 8, context: 256, batch: 128, queue: Streams);
        TenantKey[] tenants = [.. Enumerable.Range(0, 4).Select(_ => TenantKey.CreateRandom())];
        List<int> ends = [];
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(async stream =>
        {
            Collected answer = await engine.CollectAsync(TestEngine.Text($"stream {stream}", 16, tenants[stream % 4]) with { IgnoreEnd = true });
            Assert.That(answer.Tokens[0], Has.Count.EqualTo(16));
            lock (ends)
            {
                ends.Add(stream % 4);
            }
        }));
        int[] firstHalf = [.. ends.Take(Streams / 2).CountBy(t => t).Select(t => t.Value)];
        Assert.That(firstHalf, Has.Length.EqualTo(4));
        Assert.That(firstHalf.Max() / (double)firstHalf.Min(), Is.LessThanOrEqualTo(2));
    }
}
