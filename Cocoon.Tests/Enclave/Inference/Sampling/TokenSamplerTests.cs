using System.Collections.Immutable;
using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.Sampling;
using NUnit.Framework;

namespace Cocoon.Tests.Enclave.Inference.Sampling;

public sealed class TokenSamplerTests
{
    private static float[] Row(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 20) - 10))];

    private static TokenSampler Sampler(SamplingOptions options, int vocabulary, params int[] prompt) => new(options, vocabulary, 0, prompt);

    [Test]
    public void Xoshiro_Seed42_GivesTheReferenceNumbers()
    {
        // Computed with the published C reference (splitmix64 seeding) in another language.
        Xoshiro256 random = new(42);
        Assert.That(
            new[] { random.Next(), random.Next(), random.Next(), random.Next() },
            Is.EqualTo(new[] { 0x15780b2e0c2ec716UL, 0x6104d9866d113a7eUL, 0xae17533239e499a1UL, 0xecb8ad4703b360a1UL }));
    }

    [Test]
    public void LogitsMath_AnyLength_AgreesWithThePlainLoops()
    {
        Random random = new(1);
        for (int length = 1; length < 400; length += random.Next(1, 7))
        {
            float[] row = Row(random, length);
            if (length > 3)
            {
                row[random.Next(length)] = float.NaN;
                row[random.Next(length)] = float.NegativeInfinity;
            }

            (float Value, int Index)[] sorted = [.. row.Select((v, i) => (v, i)).Where(x => x.v > float.NegativeInfinity).OrderByDescending(x => x.v).ThenBy(x => x.i)];
            Assert.That(LogitsMath.ArgMax(row), Is.EqualTo(sorted.Length == 0 ? -1 : sorted[0].Index));
            int k = random.Next(1, length + 1);
            float[] values = new float[k];
            int[] indices = new int[k];
            int count = LogitsMath.Top(row, values, indices);
            Assert.That(count, Is.EqualTo(Math.Min(k, sorted.Length)));
            Assert.That(indices.Take(count), Is.EqualTo(sorted.Take(count).Select(s => s.Index)));
            if (sorted.Length > 0)
            {
                double sum = sorted.Sum(s => Math.Exp(s.Value - sorted[0].Value));
                Assert.That(LogitsMath.SumExp(row, sorted[0].Value), Is.EqualTo(sum).Within(1e-4).Percent);
            }
        }
    }

    [TestCase(3, 0, Description = "some are allowed: the whole vocabulary is never asked about")]
    [TestCase(997, 1, Description = "hardly one is: the whole vocabulary is, after a while")]
    public void Sample_Constrained_HasTheOddsOfMaskingFirst(int every, int leastMasks)
    {
        const int vocabulary = 2000, draws = 6000;
        float[] row = Row(new Random(4), vocabulary);
        using EveryNth constraint = new(every);
        SamplerScratch scratch = new(vocabulary);
        TokenSampler sampler = Sampler(new SamplingOptions { Seed = 11, Temperature = 4 }, vocabulary);
        Dictionary<int, int> drawn = [];
        for (int i = 0; i < draws; i++)
        {
            int token = sampler.Sample(row, scratch, constraint);
            Assert.That(constraint.Allows(token));
            drawn[token] = drawn.GetValueOrDefault(token) + 1;
        }

        double[] weights = [.. row.Select((logit, token) => constraint.Allows(token) ? Math.Exp(logit / 4.0) : 0)];
        foreach ((int token, double weight) in weights.Index().Where(w => w.Item * draws / weights.Sum() > 8))
        {
            double expected = weight / weights.Sum() * draws;
            Assert.That(drawn.GetValueOrDefault(token), Is.EqualTo(expected).Within(5 * Math.Sqrt(expected)), $"token {token}, five deviations");
        }

        Assert.That(constraint.Masks, every == 3 ? Is.EqualTo(leastMasks) : Is.GreaterThanOrEqualTo(leastMasks));
    }

    [Test]
    public void Sample_ConstraintThatAllowsNothing_IsMinusOne()
    {
        using EveryNth constraint = new(int.MaxValue);
        float[] row = Row(new Random(5), 100);
        row[0] = float.NegativeInfinity;
        Assert.That(Sampler(SamplingOptions.Greedy, row.Length).Sample(row, new SamplerScratch(row.Length), constraint), Is.EqualTo(-1));
    }

    [Test]
    public void LogitsMath_NothingDrawable_IsMinusOne()
    {
        float[] row = [.. Enumerable.Repeat(float.NegativeInfinity, 33)];
        SamplerScratch scratch = new(row.Length);
        foreach (SamplingOptions options in (SamplingOptions[])[SamplingOptions.Greedy, new() { Seed = 1 }, new() { Seed = 1, TopK = 4 }, new() { Seed = 1, TopP = 0.5f }])
        {
            Assert.That(Sampler(options, row.Length).Sample(row, scratch), Is.EqualTo(-1));
        }
    }

    // Probabilities of the four tokens at temperature 1: 0.643914, 0.236883, 0.087144, 0.032059.
    [TestCase(1f, 0, 1f, 0f, new[] { 0.643914, 0.236883, 0.087144, 0.032059 })]
    [TestCase(1f, 2, 1f, 0f, new[] { 0.731059, 0.268941, 0, 0 })]
    [TestCase(1f, 0, 0.7f, 0f, new[] { 0.731059, 0.268941, 0, 0 })]
    [TestCase(1f, 0, 0.6f, 0f, new[] { 1.0, 0, 0, 0 })]
    [TestCase(1f, 0, 1f, 0.1f, new[] { 0.665241, 0.244728, 0.090031, 0 })]
    [TestCase(2f, 0, 1f, 0f, new[] { 0.455054, 0.276004, 0.167405, 0.101536 })]
    [TestCase(2f, 3, 0.7f, 0f, new[] { 0.622459, 0.377541, 0, 0 })]
    public void Sample_ManyDraws_FollowTheDistribution(float temperature, int topK, float topP, float minP, double[] expected)
    {
        float[] row = [3, 2, 1, 0];
        SamplerScratch scratch = new(row.Length);
        TokenSampler sampler = Sampler(new SamplingOptions { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Seed = 9 }, row.Length);
        int[] drawn = new int[row.Length];
        const int draws = 100_000;
        for (int i = 0; i < draws; i++)
        {
            drawn[sampler.Sample(row, scratch)]++;
        }

        for (int i = 0; i < row.Length; i++)
        {
            Assert.That((double)drawn[i] / draws, expected[i] == 0 ? Is.Zero : Is.EqualTo(expected[i]).Within(0.006));
        }
    }

    [Test]
    public void Sample_NucleusWiderThanTheHeap_StillKeepsToIt()
    {
        // 1000 nearly equal tokens: nine tenths of the mass are about 900 of them, far more than the candidates of the fast path.
        float[] row = [.. Enumerable.Range(0, 1000).Select(i => -i * 1e-4f)];
        SamplerScratch scratch = new(row.Length);
        TokenSampler sampler = Sampler(new SamplingOptions { TopP = 0.9f, Seed = 4 }, row.Length);
        HashSet<int> drawn = [.. Enumerable.Range(0, 3000).Select(_ => sampler.Sample(row, scratch))];
        Assert.That(drawn.Max(), Is.InRange(870, 900));
        Assert.That(drawn, Has.Count.GreaterThan(850));
    }

    [Test]
    public void Sample_TopKAboveTheHeap_KeepsToIt()
    {
        float[] row = [.. Enumerable.Range(0, 1000).Select(i => -i * 1e-4f)];
        SamplerScratch scratch = new(row.Length);
        TokenSampler sampler = Sampler(new SamplingOptions { TopK = 400, Seed = 4 }, row.Length);
        Assert.That(Enumerable.Range(0, 2000).Max(_ => sampler.Sample(row, scratch)), Is.InRange(385, 399));
    }

    [Test]
    public void Sample_FrequencyPenalty_CountsGeneratedTokensOnly()
    {
        float[] row = [5, 4.5f, 0, 0];
        SamplerScratch scratch = new(row.Length);
        TokenSampler sampler = Sampler(SamplingOptions.Greedy with { FrequencyPenalty = 1 }, row.Length, 0, 0, 0, 0, 0, 0);
        Assert.That(Enumerable.Range(0, 4).Select(_ => sampler.Sample(row, scratch)), Is.EqualTo(new[] { 0, 1, 0, 1 }));
    }

    [Test]
    public void Sample_PresencePenalty_AppliesOnce()
    {
        float[] row = [5, 4.5f, 0, 0];
        SamplerScratch scratch = new(row.Length);
        TokenSampler sampler = Sampler(SamplingOptions.Greedy with { PresencePenalty = 1 }, row.Length);
        Assert.That(Enumerable.Range(0, 4).Select(_ => sampler.Sample(row, scratch)), Is.EqualTo(new[] { 0, 1, 0, 0 }));
    }

    [Test]
    public void Sample_RepetitionPenalty_LooksAtPromptAndForgetsBeyondItsWindow()
    {
        float[] row = [5, 4, -1, -1.5f];
        SamplerScratch scratch = new(row.Length);
        Assert.That(Sampler(SamplingOptions.Greedy with { RepetitionPenalty = 2 }, row.Length, 0).Sample(row, scratch), Is.EqualTo(1));
        Assert.That(
            Sampler(SamplingOptions.Greedy with { RepetitionPenalty = 2, PenaltyWindow = 2 }, row.Length, 0, 3, 3).Sample(row, scratch), Is.Zero, "0 is out of the window");
    }

    [Test]
    public void Sample_Bias_ReachesAnyToken()
    {
        float[] row = [5, 4, 3, 2];
        SamplingOptions options = SamplingOptions.Greedy with { LogitBias = ImmutableDictionary<int, float>.Empty.Add(3, 100) };
        Assert.That(Sampler(options, row.Length).Sample(row, new SamplerScratch(row.Length)), Is.EqualTo(3));
        Assert.That(row[3], Is.EqualTo(2), "the row itself is not changed");
    }

    [Test]
    public void Sample_AfterWarmUp_AllocatesNothing()
    {
        float[] row = Row(new Random(2), 5000);
        SamplerScratch scratch = new(row.Length);
        TokenSampler[] samplers =
        [
            Sampler(SamplingOptions.Greedy, row.Length),
            Sampler(new SamplingOptions { Seed = 1 }, row.Length),
            Sampler(new SamplingOptions { Seed = 1, TopK = 40, TopP = 0.9f, MinP = 0.01f, RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f }, row.Length, 1, 2, 3),
        ];
        void Draw(int times)
        {
            for (int i = 0; i < times; i++)
            {
                foreach (TokenSampler sampler in samplers)
                {
                    sampler.Sample(row, scratch);
                }
            }
        }

        Draw(100);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Draw(100);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    private sealed class EveryNth(int n) : TokenConstraint
    {
        public int Masks { get; private set; }

        public override bool Allows(int token) => token % n == 0;

        public override void Mask(Span<float> logits)
        {
            Masks++;
            for (int token = 0; token < logits.Length; token++)
            {
                logits[token] = Allows(token) ? logits[token] : float.NegativeInfinity;
            }
        }

        public override void Accept(int token)
        {
        }
    }
}
