namespace Cocoon.Node.Serving;

/// <summary>How a provider serves. Prices are nanoTON per 10⁶ tokens.</summary>
internal sealed class ServingOptions
{
    public string ModelPath { get; set; } = "";

    /// <summary>An OpenAI-compatible server on loopback that is the engine; then there is no model file.</summary>
    public Uri? Upstream { get; set; }

    /// <summary>The server's name for the model; empty: its only one.</summary>
    public string UpstreamModel { get; set; } = "";

    public string UpstreamKey { get; set; } = "";

    /// <summary>Name in offers; the GGUF's own <c>general.name</c> when empty.</summary>
    public string ModelName { get; set; } = "";

    public uint Slots { get; set; } = 4;

    /// <summary>Tokens of prompt and answer together per request; 0 takes what the model was trained for, at most 8,192.</summary>
    public uint ContextTokens { get; set; }

    /// <summary>Engine threads; 0 chooses.</summary>
    public uint Threads { get; set; }

    public GpuOptions Gpu { get; set; } = GpuOptions.Default;

    /// <summary>Most of the time that the engine may compute, 1 to 100 %.</summary>
    public uint WorkPercent { get; set; } = 100;

    public ulong PricePrompt { get; set; } = 40_000_000;

    public ulong PriceCached { get; set; } = 10_000_000;

    public ulong PriceCompletion { get; set; } = 160_000_000;

    /// <summary>Prices follow the load, with those above as a floor.</summary>
    public bool AutoPrice { get; set; }

    /// <summary>Hours in which new work is taken; <c>null</c>: always.</summary>
    public ServingSchedule? Schedule { get; set; }

    /// <summary>Credit on channels that have paid before; see the credit rule.</summary>
    public ulong MaxCreditNanoton { get; set; } = 1_000_000;

    /// <summary>Goes on serving open channels past half of their challenge without a block, at the owner's risk; see <c>ProviderOptions</c>.</summary>
    public TimeSpan OfflineAllowance { get; set; }

    /// <summary>Unclaimed nanoTON on one channel from which it is claimed by itself.</summary>
    public ulong ClaimThresholdNanoton { get; set; } = 100_000_000;

    public uint MinChallengeSeconds { get; set; } = 3600;

    public ulong MinDepositNanoton { get; set; } = 50_000_000;

    public string Region { get; set; } = "";

    /// <summary>Sessions open at a time, running or waiting for their request.</summary>
    public int MaxSessions { get; set; } = 256;

    /// <summary>Hellos per minute from one peer; a warm client needs two per request at most.</summary>
    public int HellosPerMinute { get; set; } = 240;
}
