using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>A set of Unicode code points as sorted ranges that do not touch.</summary>
internal sealed class CharacterSet
{
    public const int Last = 0x10FFFF;

    private CharacterSet(ImmutableArray<(int From, int To)> ranges) => Ranges = ranges;

    public static CharacterSet All { get; } = new([(0, Last)]);

    public static CharacterSet Digits { get; } = Of(('0', '9'));

    public static CharacterSet Hex { get; } = Of(('0', '9'), ('A', 'F'), ('a', 'f'));

    public static CharacterSet Word { get; } = Of(('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_'));

    public static CharacterSet Space { get; } = Of((' ', ' '), ('\t', '\r'));

    public ImmutableArray<(int From, int To)> Ranges { get; }

    public bool IsEmpty => Ranges.IsEmpty;

    public static CharacterSet Of(params ReadOnlySpan<(int From, int To)> ranges)
    {
        List<(int From, int To)> merged = [];
        (int From, int To)[] sorted = ranges.ToArray();
        Array.Sort(sorted);
        foreach ((int from, int to) in sorted)
        {
            if (merged.Count > 0 && from <= merged[^1].To + 1)
            {
                merged[^1] = (merged[^1].From, Math.Max(merged[^1].To, to));
            }
            else
            {
                merged.Add((from, to));
            }
        }

        return new CharacterSet([.. merged]);
    }

    public static CharacterSet Of(string characters) => Of([.. characters.EnumerateRunes().Select(r => (r.Value, r.Value))]);

    public CharacterSet Union(CharacterSet other) => Of([.. Ranges, .. other.Ranges]);

    public CharacterSet Except(CharacterSet other)
    {
        CharacterSet rest = other.Complement();
        return Of([.. Ranges.SelectMany(_ => rest.Ranges, Overlap).Where(r => r.From <= r.To)]);
    }

    public CharacterSet Complement()
    {
        List<(int From, int To)> gaps = [];
        int next = 0;
        foreach ((int from, int to) in Ranges)
        {
            if (from > next)
            {
                gaps.Add((next, from - 1));
            }

            next = to + 1;
        }

        if (next <= Last)
        {
            gaps.Add((next, Last));
        }

        return new CharacterSet([.. gaps]);
    }

    public bool Contains(int codePoint)
    {
        int low = 0;
        for (int high = Ranges.Length - 1; low < high;)
        {
            int middle = (low + high) / 2;
            (low, high) = codePoint > Ranges[middle].To ? (middle + 1, high) : (low, middle);
        }

        return low < Ranges.Length && codePoint >= Ranges[low].From && codePoint <= Ranges[low].To;
    }

    private static (int From, int To) Overlap((int From, int To) a, (int From, int To) b) => (Math.Max(a.From, b.From), Math.Min(a.To, b.To));
}
