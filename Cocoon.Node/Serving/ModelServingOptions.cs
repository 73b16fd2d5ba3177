namespace Cocoon.Node.Serving;

/// <summary>How one model is served. Prices are nanoTON per 10⁶ tokens.</summary>
internal sealed record ModelServingOptions
{
    /// <summary>Fewer tokens hold no question.</summary>
    public const uint LeastContext = 32;

    /// <summary>Empty with <see cref="Upstream"/>.</summary>
    public string ModelPath { get; init; } = "";

    /// <summary>The id under which the file is stored, hexadecimal: other bytes are not served under its name. <c>null</c> for a file that is not in the store.</summary>
    public string? StoredModelId { get; init; }

    /// <summary>An OpenAI-compatible server on loopback that is the engine; then there is no model file.</summary>
    public Uri? Upstream { get; init; }

    /// <summary>The server's name for the model; empty: its only one.</summary>
    public string UpstreamModel { get; init; } = "";

    public string UpstreamKey { get; init; } = "";

    /// <summary>Name in offers; the file's own when empty.</summary>
    public string ModelName { get; init; } = "";

    public uint Slots { get; init; } = 4;

    /// <summary>Tokens of prompt and answer together per request; 0 takes what the model was trained for, at most 8,192.</summary>
    public uint ContextTokens { get; init; }

    /// <summary>Engine threads; 0 chooses.</summary>
    public uint Threads { get; init; }

    public GpuOptions Gpu { get; init; } = GpuOptions.Default;

    /// <summary>Most of the time that the engine may compute, 1 to 100 %.</summary>
    public uint WorkPercent { get; init; } = 100;

    public ulong PricePrompt { get; init; } = 40_000_000;

    public ulong PriceCached { get; init; } = 10_000_000;

    public ulong PriceCompletion { get; init; } = 160_000_000;

    /// <summary>What is served, and never the key.</summary>
    public override string ToString() => Upstream?.Authority ?? ModelPath;
}
