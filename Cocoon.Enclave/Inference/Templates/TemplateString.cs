using System.Collections.Immutable;
using System.Text;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Text that remembers which parts of it people or tools wrote.</summary>
/// <remarks>Ranges are sorted, not empty and do not touch. Text of equal characters is equal whoever wrote it.</remarks>
internal sealed class TemplateString : IEquatable<TemplateString>
{
    public static readonly TemplateString Empty = new("");

    private const long MaxSearch = 1L << 30;

    private readonly ImmutableArray<(int Start, int Length)> _input;

    public TemplateString(string text, bool isInput = false)
        : this(text, isInput && text.Length > 0 ? [(0, text.Length)] : [])
    {
    }

    private TemplateString(string text, ImmutableArray<(int Start, int Length)> input)
    {
        Text = text;
        _input = input;
    }

    public string Text { get; }

    public int Length => Text.Length;

    public bool HasInput => !_input.IsEmpty;

    public static implicit operator TemplateString(string text) => new(text);

    public TemplateString Slice(int start, int length)
    {
        if (start == 0 && length == Text.Length)
        {
            return this;
        }

        if (length <= 0)
        {
            return Empty;
        }

        string text = Text.Substring(start, length);
        if (_input.IsEmpty)
        {
            return new TemplateString(text);
        }

        ImmutableArray<(int, int)>.Builder input = ImmutableArray.CreateBuilder<(int, int)>();
        for (int i = FirstAt(start); i < _input.Length && _input[i].Start < start + length; i++)
        {
            (int from, int count) = _input[i];
            int begin = Math.Max(from, start);
            int end = Math.Min(from + count, start + length);
            if (end > begin)
            {
                input.Add((begin - start, end - begin));
            }
        }

        return new TemplateString(text, input.ToImmutable());
    }

    public static TemplateString Concat(IEnumerable<TemplateString> parts)
    {
        StringBuilder text = new();
        List<(int Start, int Length)> input = [];
        foreach (TemplateString part in parts)
        {
            foreach ((int start, int length) in part._input)
            {
                int from = text.Length + start;
                if (input.Count > 0 && input[^1].Start + input[^1].Length == from)
                {
                    input[^1] = (input[^1].Start, input[^1].Length + length);
                }
                else
                {
                    input.Add((from, length));
                }
            }

            TemplateContext.RequireLength((long)text.Length + part.Length);
            text.Append(part.Text);
        }

        return text.Length == 0 ? Empty : new TemplateString(text.ToString(), [.. input]);
    }

    public static TemplateString operator +(TemplateString left, TemplateString right) =>
        left.Length == 0 ? right : right.Length == 0 ? left : Concat([left, right]);

    /// <summary>Other text of the same origin: whole-string changes keep the marks when lengths agree, else all of it counts as input.</summary>
    public TemplateString WithText(string text) => !HasInput ? text : text.Length == Text.Length ? new TemplateString(text, _input) : new TemplateString(text, isInput: true);

    public TemplateString Trim(string? characters, bool start, bool end)
    {
        RequireSearchable(characters ?? "");
        int from = 0;
        int to = Text.Length;
        while (start && from < to && Matches(Text[from]))
        {
            from++;
        }

        while (end && to > from && Matches(Text[to - 1]))
        {
            to--;
        }

        return Slice(from, to - from);

        bool Matches(char c) => characters is null ? char.IsWhiteSpace(c) : characters.Contains(c, StringComparison.Ordinal);
    }

    public List<TemplateString> Split(string? separator, int limit)
    {
        RequireSearchable(separator ?? "");
        List<TemplateString> parts = [];
        int at = 0;
        if (separator is null)
        {
            while (true)
            {
                while (at < Length && char.IsWhiteSpace(Text[at]))
                {
                    at++;
                }

                if (at >= Length)
                {
                    return parts;
                }

                int end = at;
                while (end < Length && !char.IsWhiteSpace(Text[end]))
                {
                    end++;
                }

                if (limit >= 0 && parts.Count == limit)
                {
                    parts.Add(Slice(at, Length - at).Trim(null, start: false, end: true));
                    return parts;
                }

                Add(Slice(at, end - at));
                at = end;
            }
        }

        while (limit < 0 || parts.Count < limit)
        {
            int next = Text.IndexOf(separator, at, StringComparison.Ordinal);
            if (next < 0)
            {
                break;
            }

            Add(Slice(at, next - at));
            at = next + separator.Length;
        }

        parts.Add(Slice(at, Length - at));
        return parts;

        void Add(TemplateString part)
        {
            if (parts.Count >= TemplateContext.MaxValues)
            {
                throw new TemplateException(TemplateErrorCode.Limit, "a text has too many parts");
            }

            parts.Add(part);
        }
    }

    /// <summary>Where another text first stands in this one; -1 when it does not.</summary>
    public int Find(string wanted)
    {
        RequireSearchable(wanted);
        return Text.IndexOf(wanted, StringComparison.Ordinal);
    }

    /// <inheritdoc cref="Find"/>
    public int FindLast(string wanted)
    {
        RequireSearchable(wanted);
        return Text.LastIndexOf(wanted, StringComparison.Ordinal);
    }

    /// <summary>A search may take as long as both lengths multiplied: a long text within a long one is not looked for.</summary>
    private void RequireSearchable(string wanted)
    {
        if ((long)wanted.Length * Math.Max(0, Length - wanted.Length) > MaxSearch)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "a search takes too long");
        }
    }

    /// <summary>The first range that ends after a place.</summary>
    private int FirstAt(int place)
    {
        int low = 0;
        for (int high = _input.Length; low < high;)
        {
            int middle = (low + high) / 2;
            (low, high) = _input[middle].Start + _input[middle].Length <= place ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    public TemplateString Replace(string old, TemplateString replacement, int limit)
    {
        if (old.Length == 0)
        {
            return this;
        }

        List<TemplateString> parts = Split(old, limit);
        if (parts.Count == 1)
        {
            return this;
        }

        return Concat(parts.SelectMany((part, i) => i == 0 ? (TemplateString[])[part] : [replacement, part]));
    }

    /// <summary>The text in order, cut where its origin changes.</summary>
    public IEnumerable<PromptSegment> Segments()
    {
        int at = 0;
        foreach ((int start, int length) in _input)
        {
            if (start > at)
            {
                yield return new PromptSegment(Text[at..start], IsInput: false);
            }

            yield return new PromptSegment(Text.Substring(start, length), IsInput: true);
            at = start + length;
        }

        if (at < Text.Length)
        {
            yield return new PromptSegment(Text[at..], IsInput: false);
        }
    }

    public bool Equals(TemplateString? other) => other is not null && Text == other.Text;

    public override bool Equals(object? obj) => Equals(obj as TemplateString);

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => nameof(TemplateString); // never the text
}
