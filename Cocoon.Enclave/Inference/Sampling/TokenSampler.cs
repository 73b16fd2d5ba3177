using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Draws the tokens of one answer from rows of logits.</summary>
/// <remarks>
/// Order: bias, penalties, top-k, top-p, min-p, temperature, draw. Not thread-safe; the scratch belongs to the calling thread.
/// Frequency and presence count generated tokens (as OpenAI), repetition looks at the last tokens of prompt and answer.
/// </remarks>
internal sealed class TokenSampler
{
    private const int MaxRedraws = 32;

    private readonly SamplingOptions _options;
    private readonly KeyValuePair<int, float>[] _bias;
    private readonly ushort[]? _counts;
    private readonly int[]? _window;
    private readonly bool _adjusts;
    private Xoshiro256 _random;
    private int _windowCount;
    private int _windowNext;

    /// <summary>Choices of one request differ by <paramref name="choice"/>, so one seed gives each its own draw.</summary>
    public TokenSampler(SamplingOptions options, int vocabulary, int choice, ReadOnlySpan<int> prompt)
    {
        _options = options;
        _bias = [.. options.LogitBias.Where(b => b.Key >= 0 && b.Key < vocabulary)];
        bool counting = options.FrequencyPenalty != 0 || options.PresencePenalty != 0;
        bool repetition = options.RepetitionPenalty != 1 && options.PenaltyWindow > 0;
        _counts = counting ? new ushort[vocabulary] : null;
        _window = repetition ? new int[options.PenaltyWindow] : null;
        _adjusts = counting || repetition || _bias.Length > 0;
        ulong seed = options.Seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        _random = new Xoshiro256(seed ^ ((ulong)choice * 0xD1B54A32D192ED03));
        if (_window is not null)
        {
            foreach (int token in prompt[Math.Max(0, prompt.Length - _window.Length)..])
            {
                Remember(token);
            }
        }
    }

    /// <summary>
    /// The next token, already remembered for the penalties and by the constraint; -1 when the row holds nothing that can be drawn.
    /// </summary>
    public int Sample(ReadOnlySpan<float> logits, SamplerScratch scratch, TokenConstraint? constraint = null)
    {
        Span<float> adjusted = scratch.Adjusted.AsSpan(0, logits.Length);
        if (_adjusts)
        {
            logits.CopyTo(adjusted);
            Adjust(adjusted);
            logits = adjusted;
        }

        int token = Choose(logits, scratch);
        if (token >= 0 && constraint?.Allows(token) == false)
        {
            logits.CopyTo(adjusted);
            token = ChooseAllowed(adjusted, scratch, constraint, token);
        }

        if (token >= 0)
        {
            Accept(token);
            constraint?.Accept(token);
        }

        return token;
    }

    /// <summary>
    /// Draws again without what was refused, one by one, and only then asks about the whole vocabulary, which takes that many times as long.
    /// Where no filter cuts the choice, to draw without replacement until one is allowed has exactly the odds of masking first.
    /// </summary>
    private int ChooseAllowed(Span<float> logits, SamplerScratch scratch, TokenConstraint constraint, int refused)
    {
        for (int i = 0; i < MaxRedraws; i++)
        {
            logits[refused] = float.NegativeInfinity;
            refused = Choose(logits, scratch);
            if (refused < 0 || constraint.Allows(refused))
            {
                return refused;
            }
        }

        constraint.Mask(logits);
        return Choose(logits, scratch);
    }

    private int Choose(ReadOnlySpan<float> logits, SamplerScratch scratch) =>
        _options.Temperature <= 0 ? LogitsMath.ArgMax(logits) : Draw(logits, scratch);

    private void Accept(int token)
    {
        if (_counts is not null && _counts[token] < ushort.MaxValue)
        {
            _counts[token]++;
        }

        if (_window is not null)
        {
            Remember(token);
        }
    }

    private void Remember(int token)
    {
        _window![_windowNext] = token;
        _windowNext = (_windowNext + 1) % _window.Length;
        _windowCount = Math.Min(_windowCount + 1, _window.Length);
    }

    private void Adjust(Span<float> logits)
    {
        foreach ((int token, float bias) in _bias)
        {
            logits[token] += bias;
        }

        if (_window is not null)
        {
            ReadOnlySpan<int> seen = _window.AsSpan(0, _windowCount);
            for (int i = 0; i < seen.Length; i++)
            {
                // Each token is penalised once however often it was seen; windows are short, so a scan beats a set.
                if (!seen[..i].Contains(seen[i]))
                {
                    ref float logit = ref logits[seen[i]];
                    logit = logit > 0 ? logit / _options.RepetitionPenalty : logit * _options.RepetitionPenalty;
                }
            }
        }

        if (_counts is not null)
        {
            for (int token = 0; token < _counts.Length; token++)
            {
                if (_counts[token] != 0)
                {
                    logits[token] -= (_counts[token] * _options.FrequencyPenalty) + _options.PresencePenalty;
                }
            }
        }
    }

    private int Draw(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        int k = _options.TopK <= 0 || _options.TopK >= logits.Length ? 0 : _options.TopK;
        bool nucleus = _options.TopP < 1;
        if (k == 0 && !nucleus)
        {
            return DrawFromAll(logits, scratch);
        }

        int wanted = Math.Min(k == 0 ? SamplerScratch.Candidates : k, logits.Length);
        if (wanted <= SamplerScratch.Candidates)
        {
            Span<float> values = scratch.Values.AsSpan(0, wanted);
            Span<int> indices = scratch.Indices.AsSpan(0, wanted);
            int count = LogitsMath.Top(logits, values, indices);
            if (count == 0)
            {
                return -1;
            }

            double total = k == 0 ? LogitsMath.SumExp(logits, values[0]) : 0;
            int drawn = DrawFromSorted(values[..count], indices[..count], total, complete: k != 0 || count == logits.Length, scratch.Probabilities);
            if (drawn >= 0)
            {
                return drawn;
            }

            wanted = logits.Length;
        }

        Span<float> all = scratch.AllValues;
        Span<int> allIndices = scratch.AllIndices;
        int available = Math.Min(LogitsMath.Sort(logits, all, allIndices), wanted);
        return available == 0 ? -1 : DrawFromSorted(all[..available], allIndices[..available], 0, complete: true, scratch.AllProbabilities);
    }

    private int DrawFromAll(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        int best = LogitsMath.ArgMax(logits);
        if (best < 0)
        {
            return -1;
        }

        float max = logits[best];
        float floor = _options.MinP > 0 ? max + MathF.Log(_options.MinP) : float.MinValue;
        double sum = LogitsMath.Weights(logits, max, 1 / _options.Temperature, Math.Min(floor, max), scratch.Weights);
        double left = _random.NextUnit() * sum;
        ReadOnlySpan<float> weights = scratch.Weights.AsSpan(0, logits.Length);
        for (int i = 0; i < weights.Length; i++)
        {
            left -= weights[i];
            if (left < 0 && weights[i] > 0)
            {
                return i;
            }
        }

        return best; // only rounding at the very end of the sum comes here
    }

    /// <summary>
    /// Draws from candidates in descending order. Returns -1 without using randomness when the nucleus reaches beyond them
    /// (<paramref name="complete"/> is false and their mass is under top-p of <paramref name="total"/>).
    /// </summary>
    private int DrawFromSorted(ReadOnlySpan<float> values, ReadOnlySpan<int> indices, double total, bool complete, Span<double> probabilities)
    {
        float max = values[0];
        double mass = 0;
        for (int i = 0; i < values.Length; i++)
        {
            mass += probabilities[i] = Math.Exp(values[i] - max);
        }

        double limit = _options.TopP * (complete ? mass : total);
        int keep = values.Length;
        if (_options.TopP < 1)
        {
            if (!complete && mass < limit)
            {
                return -1;
            }

            double reached = 0;
            keep = 0;
            do
            {
                reached += probabilities[keep++];
            }
            while (keep < values.Length && reached < limit);
        }

        while (keep > 1 && probabilities[keep - 1] < _options.MinP)
        {
            keep--;
        }

        double sum = 0;
        for (int i = 0; i < keep; i++)
        {
            sum += probabilities[i] = Math.Exp((values[i] - max) / _options.Temperature);
        }

        double left = _random.NextUnit() * sum;
        for (int i = 0; i < keep; i++)
        {
            left -= probabilities[i];
            if (left < 0)
            {
                return indices[i];
            }
        }

        return indices[keep - 1];
    }
}
