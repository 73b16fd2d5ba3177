using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Passes over a row of logits. A value that is not a number counts as the least likely.</summary>
internal static class LogitsMath
{
    private static int Width => Vector256<float>.Count;

    /// <summary>Index of the first largest value, or -1 when there is no number above negative infinity.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        ref float first = ref MemoryMarshal.GetReference(logits);
        float best = float.NegativeInfinity;
        int bestIndex = -1;
        int i = 0;
        if (logits.Length >= Width)
        {
            Vector256<float> values = Vector256.Create(float.NegativeInfinity);
            Vector256<int> indices = Vector256.Create(-1);
            Vector256<int> current = Vector256<int>.Indices;
            for (; i <= logits.Length - Width; i += Width)
            {
                Vector256<float> v = Vector256.LoadUnsafe(ref first, (nuint)i);
                Vector256<float> greater = Vector256.GreaterThan(v, values);
                values = Vector256.ConditionalSelect(greater, v, values);
                indices = Vector256.ConditionalSelect(greater.AsInt32(), current, indices);
                current += Vector256.Create(Width);
            }

            for (int lane = 0; lane < Width; lane++)
            {
                int index = indices[lane];
                if (values[lane] > best || (values[lane] == best && index >= 0 && index < bestIndex))
                {
                    best = values[lane];
                    bestIndex = index;
                }
            }
        }

        for (; i < logits.Length; i++)
        {
            if (logits[i] > best)
            {
                best = logits[i];
                bestIndex = i;
            }
        }

        return bestIndex;
    }

    /// <summary>Sum of exp((x − max) · scale) over the row.</summary>
    public static double SumExp(ReadOnlySpan<float> logits, float max, float scale = 1)
    {
        ref float first = ref MemoryMarshal.GetReference(logits);
        double sum = 0;
        int i = 0;
        Vector256<float> shift = Vector256.Create(max);
        Vector256<float> factor = Vector256.Create(scale);
        for (; i <= logits.Length - Width; i += Width)
        {
            Vector256<float> v = Vector256.LoadUnsafe(ref first, (nuint)i);
            Vector256<float> e = Vector256.Exp((v - shift) * factor);
            sum += Vector256.Sum(Vector256.ConditionalSelect(Vector256.Equals(e, e), e, Vector256<float>.Zero));
        }

        for (; i < logits.Length; i++)
        {
            float e = MathF.Exp((logits[i] - max) * scale);
            sum += float.IsNaN(e) ? 0 : e;
        }

        return sum;
    }

    /// <summary>Writes exp((x − max) · scale), 0 for values under <paramref name="floor"/>, and returns the sum.</summary>
    public static double Weights(ReadOnlySpan<float> logits, float max, float scale, float floor, Span<float> weights)
    {
        ref float first = ref MemoryMarshal.GetReference(logits);
        ref float target = ref MemoryMarshal.GetReference(weights);
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, logits.Length, nameof(weights));
        double sum = 0;
        int i = 0;
        Vector256<float> shift = Vector256.Create(max);
        Vector256<float> factor = Vector256.Create(scale);
        Vector256<float> least = Vector256.Create(floor);
        for (; i <= logits.Length - Width; i += Width)
        {
            Vector256<float> v = Vector256.LoadUnsafe(ref first, (nuint)i);
            Vector256<float> keep = Vector256.GreaterThanOrEqual(v, least);
            Vector256<float> e = Vector256.ConditionalSelect(keep, Vector256.Exp((v - shift) * factor), Vector256<float>.Zero);
            e.StoreUnsafe(ref target, (nuint)i);
            sum += Vector256.Sum(e);
        }

        for (; i < logits.Length; i++)
        {
            float e = logits[i] >= floor ? MathF.Exp((logits[i] - max) * scale) : 0;
            weights[i] = e;
            sum += e;
        }

        return sum;
    }

    /// <summary>
    /// The largest values, best first (the lower index first among equals), as many as <paramref name="values"/> holds.
    /// Returns how many there are.
    /// </summary>
    public static int Top(ReadOnlySpan<float> logits, Span<float> values, Span<int> indices)
    {
        int capacity = values.Length;
        int count = 0;
        int i = 0;
        for (; i < logits.Length && count < capacity; i++)
        {
            if (logits[i] > float.NegativeInfinity)
            {
                values[count] = logits[i];
                indices[count] = i;
                SiftUp(values, indices, count++);
            }
        }

        if (count == capacity && capacity > 0)
        {
            ref float first = ref MemoryMarshal.GetReference(logits);
            for (; i <= logits.Length - Width; i += Width)
            {
                // Most blocks hold nothing above the heap's least value: one comparison passes them by.
                uint above = Vector256.GreaterThan(Vector256.LoadUnsafe(ref first, (nuint)i), Vector256.Create(values[0])).ExtractMostSignificantBits();
                for (; above != 0; above &= above - 1)
                {
                    int at = i + System.Numerics.BitOperations.TrailingZeroCount(above);
                    ReplaceLeast(values, indices, logits[at], at);
                }
            }

            for (; i < logits.Length; i++)
            {
                ReplaceLeast(values, indices, logits[i], i);
            }
        }

        SortDescending(values[..count], indices[..count]);
        return count;
    }

    /// <summary>All numbers above negative infinity, best first. Returns how many there are.</summary>
    public static int Sort(ReadOnlySpan<float> logits, Span<float> values, Span<int> indices)
    {
        int count = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (logits[i] > float.NegativeInfinity)
            {
                values[count] = -logits[i];
                indices[count++] = i;
            }
        }

        values[..count].Sort(indices[..count]);
        foreach (ref float value in values[..count])
        {
            value = -value;
        }

        return count;
    }

    private static void ReplaceLeast(Span<float> values, Span<int> indices, float value, int index)
    {
        if (!(value > values[0]))
        {
            return;
        }

        values[0] = value;
        indices[0] = index;
        SiftDown(values, indices, 0, values.Length);
    }

    private static void SiftUp(Span<float> values, Span<int> indices, int child)
    {
        while (child > 0)
        {
            int parent = (child - 1) >> 1;
            if (!Less(values, indices, child, parent))
            {
                return;
            }

            Swap(values, indices, child, parent);
            child = parent;
        }
    }

    private static void SiftDown(Span<float> values, Span<int> indices, int parent, int count)
    {
        while (true)
        {
            int least = parent;
            for (int child = (2 * parent) + 1; child <= (2 * parent) + 2 && child < count; child++)
            {
                if (Less(values, indices, child, least))
                {
                    least = child;
                }
            }

            if (least == parent)
            {
                return;
            }

            Swap(values, indices, least, parent);
            parent = least;
        }
    }

    private static void SortDescending(Span<float> values, Span<int> indices)
    {
        // A heap with the least on top sorts into descending order in place.
        for (int end = values.Length - 1; end > 0; end--)
        {
            Swap(values, indices, 0, end);
            SiftDown(values, indices, 0, end);
        }
    }

    private static bool Less(Span<float> values, Span<int> indices, int a, int b) =>
        values[a] < values[b] || (values[a] == values[b] && indices[a] > indices[b]);

    private static void Swap(Span<float> values, Span<int> indices, int a, int b)
    {
        (values[a], values[b]) = (values[b], values[a]);
        (indices[a], indices[b]) = (indices[b], indices[a]);
    }
}
