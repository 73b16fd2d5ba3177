using System.Text.Json.Nodes;
using Cocoon.Node.Models;
using Cocoon.Node.Serving;

namespace Cocoon.Node.Cli;

/// <summary>Says before anything is loaded whether all models fit, and how much of each goes on which GPU.</summary>
internal static class MemoryCheck
{
    /// <summary>The models, those for GPUs with the layers that fit.</summary>
    /// <param name="gpuLimit">Most bytes of each GPU; 0: what is free.</param>
    /// <exception cref="CliException">A model that does not fit would be killed while it loads, or make the machine swap.</exception>
    public static async Task<IReadOnlyList<ModelServingOptions>> PlaceAsync(IReadOnlyList<ModelServingOptions> models, long gpuLimit, CancellationToken cancellationToken)
    {
        try
        {
            bool wantsGpu = models.Any(m => m.Gpu.Layers != 0) && MachineDevices.MayHaveGpu;
            IReadOnlyList<GpuDevice> gpus = wantsGpu ? await ListGpusAsync(MachineDevices.ReadAsync, Console.Error, cancellationToken) : [];
            MemoryPlan plan = new(gpus, SystemMemory.Available(), gpuLimit);
            List<ModelServingOptions> placed = [];
            foreach (ModelServingOptions model in models)
            {
                placed.Add(await PlaceAsync(plan, model, cancellationToken));
            }

            return placed;
        }
        catch (ModelException exception)
        {
            throw ModelFailures.ToCli(exception);
        }
    }

    /// <summary>None when they cannot be listed, which is said: whether the engine finds one shows when it loads.</summary>
    internal static async Task<IReadOnlyList<GpuDevice>> ListGpusAsync(
        Func<CancellationToken, Task<JsonObject>> list, TextWriter errors, CancellationToken cancellationToken)
    {
        try
        {
            return MachineDevices.Gpus(await list(cancellationToken));
        }
        catch (ModelException exception)
        {
            await errors.WriteLineAsync($"{exception.Message}: {exception.Why}; going on without knowing their memory");
            return [];
        }
    }

    private static async Task<ModelServingOptions> PlaceAsync(MemoryPlan plan, ModelServingOptions model, CancellationToken cancellationToken)
    {
        ModelFacts facts = await ModelInspector.InspectAsync(model.ModelPath, hash: false, cancellationToken);
        string name = model.ModelName.Length > 0 ? model.ModelName : Path.GetFileNameWithoutExtension(model.ModelPath);
        if (facts.ContextLength > 0 && model.ContextTokens > facts.ContextLength)
        {
            throw new CliException(
                ExitCode.Usage, $"--context {model.ContextTokens} is more than {name} can read", $"it was made for {facts.ContextLength} tokens", $"Give --context {facts.ContextLength} or less, or none.");
        }

        MemoryFit fit = MemoryFit.Of(facts, (int)model.Slots, (int)model.ContextTokens);
        GpuOptions gpu = model.Gpu;
        IReadOnlyList<string> devices = gpu.SplitMode == "none" && gpu.Devices.Count == 0 && gpu.MainGpu < plan.Gpus.Count ? [plan.Gpus[gpu.MainGpu].Name] : gpu.Devices;
        ModelPlacement placement = plan.Place(name, facts, fit, plan.Gpus.Count == 0 && gpu.Devices.Count == 0 ? PlacementWish.Cpu : new PlacementWish(gpu.Layers, devices, gpu.TensorSplit));
        if (plan.Gpus.Count > 0)
        {
            string[] parts = [.. placement.DeviceBytes.Select((bytes, i) => (bytes, i)).Where(p => p.bytes > 0).Select(p => $"{Sizes.Words(p.bytes)} on {plan.Gpus[p.i].Name}")];
            string layers = placement.GpuLayers < 0 ? "all layers" : $"{placement.GpuLayers} of {facts.Layers + 1} layers";
            await Console.Error.WriteLineAsync($"{name}: {(parts.Length == 0 ? "no layer on a GPU" : $"{layers}, {string.Join(", ", parts)}")}, {Sizes.Words(placement.HostBytes)} of memory");
        }

        return model with { Gpu = gpu with { Layers = plan.Gpus.Count == 0 ? gpu.Layers : placement.GpuLayers } };
    }
}
