using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LLamaSharp;

/// <summary>The engine for a Configure frame.</summary>
internal static class LLamaSharpLoader
{
    private const int DefaultSlots = 4;
    private const int DefaultContext = 4096;

    /// <inheritdoc cref="EngineLoader"/>
    public static async Task<IInferenceEngine> LoadAsync(Configure configure, ILogger logger, TimeProvider time, CancellationToken cancellationToken) =>
        await LLamaSharpEngine.LoadAsync(
            configure.ModelPath,
            configure.ModelName.Length > 0 ? configure.ModelName : Path.GetFileNameWithoutExtension(configure.ModelPath),
            configure.Slots > 0 ? (int)configure.Slots : DefaultSlots,
            configure.ContextTokens > 0 ? (int)configure.ContextTokens : DefaultContext,
            (int)configure.Threads,
            configure.GpuLayers,
            time,
            cancellationToken);
}
