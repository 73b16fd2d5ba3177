using Cocoon.Protocol.Enclaves.Proto;

namespace Cocoon.Node.Serving;

/// <summary>Where a model goes on a machine with GPUs, as its owner says.</summary>
/// <param name="Layers">On GPUs; 0: none, -1: all that fit.</param>
/// <param name="Devices">As <c>cocoon gpu</c> names them; empty: every GPU.</param>
/// <param name="SplitMode">layer, row or none.</param>
/// <param name="MainGpu">Index among the devices of the one that <c>none</c> uses.</param>
/// <param name="TensorSplit">Share of each device; empty: by free memory.</param>
internal sealed record GpuOptions(int Layers, IReadOnlyList<string> Devices, string SplitMode, int MainGpu, IReadOnlyList<float> TensorSplit)
{
    public static GpuOptions Default { get; } = new(-1, [], "layer", 0, []);

    public void Configure(Configure configure)
    {
        configure.GpuLayers = Layers;
        configure.SplitMode = SplitMode;
        configure.MainGpu = MainGpu;
        configure.Devices.AddRange(Devices);
        configure.TensorSplit.AddRange(TensorSplit);
    }
}
