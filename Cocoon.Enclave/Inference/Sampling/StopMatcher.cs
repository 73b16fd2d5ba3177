using System.Collections.Immutable;
using System.Text;

namespace Cocoon.Enclave.Inference.Sampling;

/// <summary>Finds stop strings in a byte stream, across any borders, and knows how much of the end might still become one.</summary>
/// <remarks>One Knuth–Morris–Pratt automaton per string: bounded memory, each byte looked at once per string.</remarks>
internal sealed class StopMatcher
{
    public const int MaxStrings = 16;
    public const int MaxBytes = 256;

    private readonly byte[][] _patterns;
    private readonly int[][] _failures;
    private readonly int[] _matched;

    /// <exception cref="EngineException">Too many, empty or too long.</exception>
    public StopMatcher(ImmutableArray<string> stops)
    {
        if (stops.Length > MaxStrings)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"at most {MaxStrings} stop strings", stops.Length, MaxStrings);
        }

        _patterns = [.. stops.Select(Encoding.UTF8.GetBytes)];
        if (_patterns.FirstOrDefault(p => p.Length is 0 or > MaxBytes) is { } bad)
        {
            throw new EngineException(EngineErrorCode.InvalidRequest, $"a stop string has 1 to {MaxBytes} bytes", bad.Length, MaxBytes);
        }

        _failures = [.. _patterns.Select(Failures)];
        _matched = new int[_patterns.Length];
        Stops = stops;
    }

    public ImmutableArray<string> Stops { get; }

    /// <summary>Length of the longest end of the stream that is the beginning of a stop string.</summary>
    public int HeldBack
    {
        get
        {
            int longest = 0;
            foreach (int matched in _matched)
            {
                longest = Math.Max(longest, matched);
            }

            return longest;
        }
    }

    /// <summary>Takes one byte. Returns the index of a stop string that ends here (the longest, if several do), else -1.</summary>
    public int Push(byte value)
    {
        int found = -1;
        for (int p = 0; p < _patterns.Length; p++)
        {
            byte[] pattern = _patterns[p];
            int state = _matched[p];
            while (state > 0 && pattern[state] != value)
            {
                state = _failures[p][state - 1];
            }

            if (pattern[state] == value)
            {
                state++;
            }

            if (state == pattern.Length)
            {
                if (found < 0 || pattern.Length > _patterns[found].Length)
                {
                    found = p;
                }

                state = _failures[p][state - 1];
            }

            _matched[p] = state;
        }

        return found;
    }

    /// <summary>Whether a string would end within these bytes and not at their end. Changes nothing.</summary>
    public bool EndsInside(ReadOnlySpan<byte> bytes)
    {
        Span<int> before = stackalloc int[MaxStrings];
        _matched.CopyTo(before);
        bool inside = false;
        for (int i = 0; i < bytes.Length - 1 && !inside; i++)
        {
            inside = Push(bytes[i]) >= 0;
        }

        before[.._matched.Length].CopyTo(_matched);
        return inside;
    }

    public int Length(int index) => _patterns[index].Length;

    private static int[] Failures(byte[] pattern)
    {
        int[] failures = new int[pattern.Length];
        for (int i = 1, length = 0; i < pattern.Length; i++)
        {
            while (length > 0 && pattern[i] != pattern[length])
            {
                length = failures[length - 1];
            }

            if (pattern[i] == pattern[length])
            {
                length++;
            }

            failures[i] = length;
        }

        return failures;
    }
}
