using Cocoon.Node.Serving;

namespace Cocoon.Node.Enclaves;

/// <summary>Which model the enclave serves, and how its process is kept alive.</summary>
internal sealed class EnclaveSupervisorOptions
{
    /// <summary>Empty with <see cref="Upstream"/>.</summary>
    public required string ModelPath { get; init; }

    /// <summary>The id that the file must have, hexadecimal; <c>null</c>: any.</summary>
    public string? ExpectedModelId { get; init; }

    /// <summary>An OpenAI-compatible server on loopback that is the engine instead of an embedded one.</summary>
    public Uri? Upstream { get; init; }

    /// <summary>The server's name for the model; empty: its only one.</summary>
    public string UpstreamModel { get; init; } = "";

    public string UpstreamKey { get; init; } = "";

    /// <summary>Name in offers; the model's own file name when empty.</summary>
    public string ModelName { get; init; } = "";

    /// <summary>0 leaves it to the engine, as do the others below.</summary>
    public int Slots { get; init; }

    public int ContextTokens { get; init; }

    public int Threads { get; init; }

    /// <summary>With no layer on a GPU the enclave locks itself down before it reads the model.</summary>
    public GpuOptions Gpu { get; init; } = GpuOptions.Default;

    /// <summary>Most of the time that the engine may compute, 1 to 100 %.</summary>
    public uint WorkPercent { get; init; } = 100;

    /// <summary>The peer id of this node, bound into the evidence.</summary>
    public required ReadOnlyMemory<byte> PeerId { get; init; }

    /// <summary>Folder of the llama.cpp libraries; found beside the binary when <c>null</c>.</summary>
    public string? NativesPath { get; init; }

    /// <summary>auto, tdx, sev-snp or simulated.</summary>
    public string Evidence { get; init; } = "auto";

    /// <summary>Folder of collateral for hardware evidence, kept fresh by the owner; read at each start of the enclave.</summary>
    public string? CollateralFolder { get; init; }

    /// <summary>Let the enclave run although the system lacks one of its protections; its evidence says so.</summary>
    public bool AllowUnprotected { get; init; }

    /// <summary>Sessions opened and not yet ended; more are refused.</summary>
    public int MaxSessions { get; init; } = 256;

    /// <summary>Hardening, loading and hashing the model.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(15);

    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a child is given to end after Shutdown before it is killed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Program and first arguments instead of this program's own enclave verb; for tests.</summary>
    public IReadOnlyList<string>? Command { get; init; }
}
