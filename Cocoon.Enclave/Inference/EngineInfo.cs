using System.Collections.Immutable;
using Cocoon.Protocol.Inference;

namespace Cocoon.Enclave.Inference;

[Flags]
internal enum EngineCapabilities
{
    None = 0,
    Chat = 1 << 0,
    Completion = 1 << 1,
    Logprobs = 1 << 2,
    LogitBias = 1 << 3,
    Choices = 1 << 4,
    Grammar = 1 << 5,
    Tools = 1 << 6,
    Embeddings = 1 << 7,
    TenantIsolation = 1 << 8,
}

internal enum DeviceKind
{
    Cpu = 0,
    Gpu = 1,
    IntegratedGpu = 2,
    Accelerator = 3,
    Meta = 4,
}

/// <summary>A compute device as the engine sees it. <paramref name="PciId"/> is lower case, when it has one.</summary>
internal sealed record EngineDevice(string Name, string Description, DeviceKind Kind, ulong MemoryFree, ulong MemoryTotal, string? PciId, string Backend)
{
    /// <summary>The GPUs in a few words (<c>2 × NVIDIA H100</c>) with the memory of all; the CPU where there are none.</summary>
    public static (string Name, ulong Memory) Summarise(IReadOnlyCollection<EngineDevice> devices)
    {
        EngineDevice[] gpus = [.. devices.Where(d => d.Kind != DeviceKind.Cpu)];
        EngineDevice[] counted = gpus.Length > 0 ? gpus : [.. devices.Take(1)];
        ulong memory = 0;
        foreach (EngineDevice device in counted)
        {
            memory += device.MemoryTotal;
        }

        return (string.Join(" + ", counted.GroupBy(d => d.Description).Select(g => g.Count() > 1 ? $"{g.Count()} × {g.Key}" : g.Key)), memory);
    }
}

/// <summary>
/// Kind: engine family in one word (<c>llama.cpp</c>, <c>upstream</c>). Digest: SHA-256 over the engine's native libraries,
/// 64 hexadecimal digits; empty when there are none.
/// </summary>
internal sealed record EngineInfo(
    string Kind, string Version, string Digest, ImmutableArray<EngineDevice> Devices, EngineCapabilities Capabilities);

/// <summary>Where the chat template that is rendered came from.</summary>
internal enum TemplateSource
{
    None = 0,
    Model = 1,
    Override = 2,

    /// <summary>The model's own template could not be used; ChatML is rendered instead and faces show the warning.</summary>
    ChatMlFallback = 3,
}

/// <summary>
/// ContextPerRequest: tokens of prompt and answer together that one request may have.
/// TemplateWarning: why the fallback template is in use, for people; <c>null</c> when nothing is wrong.
/// </summary>
internal sealed record ServedModel(
    string Name,
    ModelManifest Manifest,
    string Architecture,
    string Quantization,
    ulong Parameters,
    int VocabularySize,
    int ContextPerRequest,
    int Slots,
    TemplateSource Template,
    string? TemplateWarning)
{
    public ModelId Id => Manifest.Id;

    /// <exception cref="EngineException">Another model is asked for.</exception>
    public void Require(string? model)
    {
        if (model is not null && model != Name && model != Id.ToString())
        {
            throw new EngineException(EngineErrorCode.ModelNotFound, $"this engine serves {Name}");
        }
    }
}

/// <summary>
/// Healthy: a request sent now would be worked on; Problem, for people, when not. The rates are moving averages, 0 until measured;
/// the decode rate is that of all slots together.
/// </summary>
internal sealed record EngineHealth(
    bool Healthy, string? Problem, int Slots, int SlotsBusy, int Queued, int Parked, double PrefillTokensPerSecond, double DecodeTokensPerSecond);

/// <summary>Prompt tokens of a request and the most that a request may have in all.</summary>
internal readonly record struct TokenCount(int PromptTokens, int ContextPerRequest);
