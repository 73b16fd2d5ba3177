using Cocoon.Enclave.Inference;
using Cocoon.Enclave.Inference.LlamaCpp;
using Cocoon.Enclave.Ipc;
using Cocoon.Enclave.Models;
using Cocoon.Protocol.Enclaves.Proto;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave;

/// <summary>The embedded engine for a Configure frame.</summary>
internal static class LlamaCppLoader
{
    /// <param name="natives">Folder of the libraries for configurations that name none.</param>
    public static EngineLoader For(string? natives) =>
        (configure, logger, time, cancellationToken) => LoadAsync(configure, natives, logger, time, cancellationToken);

    private static async Task<IInferenceEngine> LoadAsync(
        Configure configure, string? natives, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        LlamaCppOptions defaults = new() { ModelPath = configure.ModelPath };
        LlamaCppOptions options = new()
        {
            ModelPath = configure.ModelPath,
            ModelName = configure.ModelName.Length > 0 ? configure.ModelName : null,
            NativesFolder = configure.NativesPath.Length > 0 ? configure.NativesPath : natives,
            Slots = configure.Slots > 0 ? (int)configure.Slots : defaults.Slots,
            ContextPerRequest = configure.ContextTokens > 0 ? (int)configure.ContextTokens : defaults.ContextPerRequest,
            Threads = (int)configure.Threads,
            GpuLayers = configure.GpuLayers,
        };
        return GgufHead.ReadFile(options.ModelPath).IsEmbedding
            ? await LlamaCppEmbedder.LoadAsync(options, new PipeLogger<LlamaCppEmbedder>(logger), time, cancellationToken)
            : await LlamaCppEngine.LoadAsync(options, new PipeLogger<LlamaCppEngine>(logger), time, cancellationToken);
    }
}
