using System.Diagnostics;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>One rendering: its budget and where its text goes.</summary>
internal sealed class TemplateContext(TimeProvider clock)
{
    public const int MaxSteps = 1_000_000;
    public const int MaxOutput = 16 << 20;
    public const int MaxDepth = 256;

    /// <summary>Entries of one list, parts of one text.</summary>
    public const int MaxValues = 1_000_000;

    private const int MaxLooks = 8_000_000;

    /// <summary>What an entry of a list or map weighs, in characters.</summary>
    private const int EntryWeight = 16;

    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2);

    private readonly long _start = Stopwatch.GetTimestamp();
    private int _steps;
    private int _looks;
    private long _characters;

    public TimeProvider Clock { get; } = clock;

    public int Depth { get; private set; }

    /// <summary>Called for every node, loop turn and call.</summary>
    public void Step()
    {
        if (++_steps > MaxSteps)
        {
            throw TooLong();
        }

        Look();
    }

    /// <summary>Called for every value that is compared or written out: takes time, and is no step of the template's.</summary>
    public void Look()
    {
        if (++_looks > MaxLooks || ((_looks & 63) == 0 && Stopwatch.GetElapsedTime(_start) > MaxTime))
        {
            throw TooLong();
        }
    }

    /// <summary>Called for every value that an expression makes.</summary>
    public object? Made(object? value)
    {
        switch (value)
        {
            case TemplateString text:
                Made(text);
                break;
            case List<object?> list:
                Count((long)list.Count * EntryWeight);
                break;
            case TemplateMap map:
                Count((long)map.Count * EntryWeight);
                break;
        }

        return value;
    }

    /// <summary>Called for text that is made, so that neither output nor intermediate strings grow without bound.</summary>
    public TemplateString Made(TemplateString text)
    {
        RequireLength(text.Length);
        Count(text.Length);
        return text;
    }

    /// <summary>A text that is being made may not become longer than this.</summary>
    public static void RequireLength(long characters)
    {
        if (characters > MaxOutput)
        {
            throw TooMuch();
        }
    }

    public void Enter()
    {
        if (++Depth > MaxDepth)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template is nested too deeply");
        }
    }

    public void Leave() => Depth--;

    private void Count(long characters)
    {
        if ((_characters += characters) > 8L * MaxOutput)
        {
            throw TooMuch();
        }
    }

    private static TemplateException TooLong() => new(TemplateErrorCode.Limit, "the template takes too long");

    private static TemplateException TooMuch() => new(TemplateErrorCode.Limit, "the template makes too much text");
}

/// <summary>Names and their values; inner ones hide outer ones.</summary>
internal sealed class TemplateScope(TemplateScope? outer, TemplateContext context)
{
    private readonly TemplateScope? _outer = outer;
    private readonly Dictionary<string, object?> _names = new(StringComparer.Ordinal);

    public TemplateContext Context { get; } = context;

    public List<TemplateString> Output { get; init; } = outer?.Output ?? [];

    public void Set(string name, object? value) => _names[name] = value;

    public object? Get(string name)
    {
        for (TemplateScope? scope = this; scope is not null; scope = scope._outer)
        {
            if (scope._names.TryGetValue(name, out object? value))
            {
                return value;
            }
        }

        return Undefined.Value;
    }

    public void Write(TemplateString text)
    {
        if (text.Length > 0)
        {
            Output.Add(Context.Made(text));
        }
    }
}
