using System.Diagnostics;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>One rendering: its budget and where its text goes.</summary>
internal sealed class TemplateContext(TimeProvider clock)
{
    public const int MaxSteps = 1_000_000;
    public const int MaxOutput = 16 << 20;
    public const int MaxDepth = 256;

    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2);

    private readonly long _start = Stopwatch.GetTimestamp();
    private int _steps;
    private long _characters;

    public TimeProvider Clock { get; } = clock;

    public int Depth { get; private set; }

    /// <summary>Called for every node, loop turn and call.</summary>
    public void Step()
    {
        if (++_steps > MaxSteps || ((_steps & 1023) == 0 && Stopwatch.GetElapsedTime(_start) > MaxTime))
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template takes too long");
        }
    }

    /// <summary>Called for text that is made, so that neither output nor intermediate strings grow without bound.</summary>
    public TemplateString Made(TemplateString text)
    {
        _characters += text.Length;
        if (text.Length > MaxOutput || _characters > 8L * MaxOutput)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template makes too much text");
        }

        return text;
    }

    public void Enter()
    {
        if (++Depth > MaxDepth)
        {
            throw new TemplateException(TemplateErrorCode.Limit, "the template is nested too deeply");
        }
    }

    public void Leave() => Depth--;
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
