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
    /// <summary>Tokens of a request when nobody says how many: what the model was trained for, and at most this.</summary>
    private const int MostContext = 8192;

    /// <param name="natives">Folder of the libraries for configurations that name none.</param>
    public static EngineLoader For(string? natives) =>
        (configure, logger, time, cancellationToken) => LoadAsync(configure, natives, logger, time, cancellationToken);

    private static async Task<IInferenceEngine> LoadAsync(
        Configure configure, string? natives, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        LlamaCppOptions defaults = new() { ModelPath = configure.ModelPath };
        GpuSplit split = GpuPlacement.ReadSplit(configure.SplitMode);
        LlamaCppOptions options = new()
        {
            ModelPath = configure.ModelPath,
            ModelName = configure.ModelName.Length > 0 ? configure.ModelName : null,
            NativesFolder = configure.NativesPath.Length > 0 ? configure.NativesPath : natives,
            Slots = configure.Slots > 0 ? (int)configure.Slots : defaults.Slots,
            ContextPerRequest = configure.ContextTokens > 0 ? (int)configure.ContextTokens : MostContext,
            Threads = (int)configure.Threads,
            Gpu = new GpuPlacement
            {
                Layers = configure.GpuLayers,
                Devices = [.. configure.Devices],
                Split = split,
                MainGpu = configure.MainGpu,
                TensorSplit = [.. configure.TensorSplit],
            },
            WorkPercent = configure.WorkPercent is > 0 and <= 100 ? (int)configure.WorkPercent : defaults.WorkPercent,
        };
        return GgufHead.ReadFile(options.ModelPath).IsEmbedding
            ? await LlamaCppEmbedder.LoadAsync(options, new PipeLogger<LlamaCppEmbedder>(logger), cancellationToken)
            : await LlamaCppEngine.LoadAsync(options, new PipeLogger<LlamaCppEngine>(logger), time, cancellationToken);
    }
}
