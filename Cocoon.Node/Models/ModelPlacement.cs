namespace Cocoon.Node.Models;

/// <summary>Where a model will lie before it is loaded.</summary>
/// <param name="GpuLayers">On GPUs, of all that it has; -1: every one.</param>
/// <param name="DeviceBytes">Taken on each GPU, in the order of <see cref="MemoryPlan.Gpus"/>.</param>
/// <param name="HostBytes">Taken in the machine's own memory.</param>
internal sealed record ModelPlacement(int GpuLayers, IReadOnlyList<long> DeviceBytes, long HostBytes);
