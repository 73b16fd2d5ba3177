using System.Collections.Immutable;
using Cocoon.Enclave.Inference.LlamaCpp.Interop;
using Cocoon.Enclave.Models;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>A model in memory with what it was loaded from: what both embedded engines begin with.</summary>
internal sealed record LoadedModel(LlamaRuntime Runtime, ModelFiles Files, LlamaModel Model, LlamaCppOptions Options)
{
    /// <summary>The devices that this model is on, the CPU included.</summary>
    public ImmutableArray<EngineDevice> Devices =>
    [
        .. Runtime.Devices.Where(d => d.Kind == DeviceKind.Cpu
            || (Options.Gpu.Layers != 0 && (Options.Gpu.Devices.IsEmpty || Options.Gpu.Devices.Contains(d.Name, StringComparer.OrdinalIgnoreCase)))),
    ];

    /// <summary>Tokens of one request as asked for, and never more than the model was trained for.</summary>
    public int Context => Math.Min(Options.ContextPerRequest, Model.TrainedContext);

    /// <summary>Checks, hashes and loads a model and makes an engine of it, which owns the model from then on.</summary>
    /// <exception cref="GgufException">The file must not be loaded.</exception>
    /// <exception cref="EngineException">Libraries missing or of another layout, or llama.cpp refused the model.</exception>
    public static async Task<T> LoadAsync<T>(LlamaCppOptions options, ILogger logger, Func<LoadedModel, T> make, CancellationToken cancellationToken)
    {
        options.Validate();
        ModelFiles files = await ModelFiles.OpenAsync(options.ModelPath, options.ChatTemplate, cancellationToken);
        return await Task.Run(
            () =>
            {
                LlamaRuntime runtime = LlamaRuntime.Load(options.NativesFolder, logger);
                LlamaModel model = LlamaModel.Load(files.Paths, runtime, options.Gpu, options.CheckTensors);
                try
                {
                    T engine = make(new LoadedModel(runtime, files, model, options));
                    LlamaLog.BeginServing();
                    return engine;
                }
                catch
                {
                    model.Dispose();
                    throw;
                }
            },
            cancellationToken);
    }

    /// <summary>What the engine says it serves.</summary>
    public ServedModel Describe(int contextPerRequest, TemplateSource template, string? templateWarning) => new(
        Options.ModelName ?? Path.GetFileNameWithoutExtension(Options.ModelPath),
        Files.Manifest,
        Files.Head.Architecture,
        ModelDescription.Quantization(Files.Head),
        Model.Parameters,
        Model.Vocabulary.Count,
        contextPerRequest,
        Options.Slots,
        template,
        templateWarning);
}
