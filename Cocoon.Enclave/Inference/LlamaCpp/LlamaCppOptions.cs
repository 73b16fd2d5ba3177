namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>How one model is served by the embedded engine.</summary>
internal sealed class LlamaCppOptions
{
    public required string ModelPath { get; init; }

    /// <summary>Name clients ask for; the file's own name without extension when <c>null</c>.</summary>
    public string? ModelName { get; init; }

    /// <summary>Folder of the libraries; found as <see cref="Interop.NativesFolder"/> says when <c>null</c>.</summary>
    public string? NativesFolder { get; init; }

    /// <summary>Requests decoded together, 1 to 64.</summary>
    public int Slots { get; init; } = 4;

    /// <summary>Tokens of prompt and answer that each request may have; never more than the model was trained for.</summary>
    public int ContextPerRequest { get; init; } = 4096;

    /// <summary>0: all cores but one, at least one. ggml's threads spin at barriers, so a core too many costs far more than one too few.</summary>
    public int Threads { get; init; }

    /// <summary>Most tokens of one step.</summary>
    public int BatchTokens { get; init; } = 512;

    public GpuPlacement Gpu { get; init; } = new();

    /// <summary>Most of the time that decoding may take, 1 to 100 %: a machine that is wanted for other things, or must draw less power.</summary>
    public int WorkPercent { get; init; } = 100;

    /// <summary>Requests that may wait for a slot before <see cref="EngineErrorCode.Overloaded"/>.</summary>
    public int QueueLimit { get; init; } = 64;

    /// <summary>How long a step may take while somebody is waiting for the next token; prompts of others are cut to fit.</summary>
    public TimeSpan StepTarget { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>A reader that takes nothing for this long is cancelled.</summary>
    public TimeSpan ReaderTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After this long without a request all cached text is overwritten in memory.</summary>
    public TimeSpan IdleWipe { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Jinja text used instead of the model's own chat template.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Let llama.cpp check every weight for impossible values while loading.</summary>
    public bool CheckTensors { get; init; } = true;

    public int EffectiveThreads => Threads > 0 ? Threads : Math.Max(1, Environment.ProcessorCount - 1);

    /// <exception cref="ArgumentOutOfRangeException">A value outside its range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Slots, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Slots, 64);
        ArgumentOutOfRangeException.ThrowIfLessThan(ContextPerRequest, 32);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ContextPerRequest, 1 << 22);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchTokens, Math.Max(32, Slots));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchTokens, 8192);
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueLimit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfLessThan(WorkPercent, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(WorkPercent, 100);
    }
}
