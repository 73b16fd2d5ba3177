using System.Collections.Immutable;

namespace Cocoon.Enclave.Inference.LlamaCpp;

/// <summary>How a model is laid out over several GPUs (llama.cpp's <c>split_mode</c>).</summary>
internal enum GpuSplit
{
    /// <summary>All on one device.</summary>
    None = 0,

    /// <summary>Whole layers, with their cache, on each.</summary>
    Layer = 1,

    /// <summary>Rows of each matrix over all of them.</summary>
    Row = 2,
}

/// <summary>Where a model's layers go.</summary>
internal sealed record GpuPlacement
{
    /// <summary>Nothing on a GPU, whatever the machine has.</summary>
    public static GpuPlacement CpuOnly { get; } = new() { Layers = 0 };

    /// <summary>Layers put on GPUs when there are any; -1: all.</summary>
    public int Layers { get; init; } = -1;

    /// <summary>Names as ggml gives them (<c>CUDA0</c>), in the order of <see cref="TensorSplit"/>; empty: every GPU.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];

    public GpuSplit Split { get; init; } = GpuSplit.Layer;

    /// <summary>Index in <see cref="Devices"/> (or among all) of the one that is used with <see cref="GpuSplit.None"/>.</summary>
    public int MainGpu { get; init; }

    /// <summary>Proportions, one for each device; empty: by their free memory.</summary>
    public ImmutableArray<float> TensorSplit { get; init; } = [];

    /// <exception cref="EngineException">A word or number that means nothing.</exception>
    public static GpuSplit ReadSplit(string word) => word switch
    {
        "" or "layer" => GpuSplit.Layer,
        "row" => GpuSplit.Row,
        "none" => GpuSplit.None,
        _ => throw new EngineException(EngineErrorCode.InvalidRequest, $"'{word}' is no way to split a model: layer, row or none"),
    };
}
