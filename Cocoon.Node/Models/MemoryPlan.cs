namespace Cocoon.Node.Models;

/// <summary>Places models one after the other, each in what the ones before it left.</summary>
/// <remarks>
/// Estimates: a layer is an equal part of all weights and cache, and every GPU in use needs scratch of its own. llama.cpp has the last word.
/// </remarks>
internal sealed class MemoryPlan
{
    private readonly long[] _free;
    private long _hostFree;

    /// <param name="gpuLimit">Most bytes to take on each GPU; 0: what is free.</param>
    public MemoryPlan(IReadOnlyList<GpuDevice> gpus, long hostFree, long gpuLimit = 0)
    {
        Gpus = gpus;
        _free = [.. gpus.Select(g => gpuLimit > 0 ? Math.Min(gpuLimit, g.FreeBytes) : g.FreeBytes)];
        _hostFree = hostFree;
    }

    public IReadOnlyList<GpuDevice> Gpus { get; }

    /// <summary>Takes the memory of one more model.</summary>
    /// <exception cref="ModelException">It does not fit, with what is missing where.</exception>
    public ModelPlacement Place(string name, ModelFacts facts, MemoryFit fit, PlacementWish wish)
    {
        int[] devices = wish.Layers == 0 ? [] : Choose(name, wish.Devices);

        // The output counts as one more layer, as llama.cpp counts.
        long all = facts.Layers + 1, perLayer = (fit.WeightBytes + fit.CacheBytes) / all;
        long[] most = [.. devices.Select(d => Math.Max(0, ((long)(_free[d] * 0.95) - fit.ComputeBytes) / Math.Max(1, perLayer)))];
        long layers = wish.Layers < 0 ? all : Math.Min(wish.Layers, all);
        long[] split = Split(layers, most, wish.Shares);
        if (wish.Layers > 0 && split.Sum() < layers)
        {
            throw TooLarge(
                $"{name} does not fit", $"{layers} layers of {Sizes.Words(perLayer)} are asked for on GPUs, which have room for {split.Sum()}", "Ask for fewer with --gpu-layers, or leave it out for as many as fit.");
        }

        long placed = split.Sum();
        long[] taken = new long[Gpus.Count];
        for (int i = 0; i < devices.Length; i++)
        {
            taken[devices[i]] = split[i] == 0 ? 0 : (split[i] * perLayer) + fit.ComputeBytes;
        }

        long host = fit.Needed - (placed * perLayer) - (placed == all ? fit.ComputeBytes : 0);
        if (host > _hostFree)
        {
            throw TooLarge(
                $"{name} does not fit into memory", $"{Sizes.Words(host)} are needed with {fit.Slots} slots of {fit.ContextTokens} tokens, {Sizes.Words(_hostFree)} are free",
                $"Try --slots {Math.Max(1, MemoryFit.MostSlots(facts, fit.ContextTokens, _hostFree))}, a smaller --context or quantisation ('cocoon models show'), or --ignore-memory.");
        }

        for (int i = 0; i < taken.Length; i++)
        {
            _free[i] -= taken[i];
        }

        _hostFree -= host;
        return new ModelPlacement(placed == all ? -1 : (int)placed, taken, host);
    }

    private int[] Choose(string name, IReadOnlyList<string> wanted)
    {
        if (wanted.Count == 0)
        {
            return [.. Enumerable.Range(0, Gpus.Count)];
        }

        List<GpuDevice> all = [.. Gpus];
        return
        [
            .. wanted.Select(w => all.FindIndex(g => string.Equals(g.Name, w, StringComparison.OrdinalIgnoreCase)) is >= 0 and int index
                ? index
                : throw new ModelException(
                    ModelErrorCode.NotFound, $"{name} is to be put on {w}, which is not here", all.Count == 0 ? "there is no GPU" : $"there are {string.Join(", ", all.Select(g => g.Name))}", "See 'cocoon gpu'.")),
        ];
    }

    /// <summary>As many layers as fit: in the given shares, else as each device has room.</summary>
    private static long[] Split(long layers, long[] most, IReadOnlyList<float> shares)
    {
        long room = most.Sum();
        if (most.Length == 0 || room == 0)
        {
            return new long[most.Length];
        }

        double[] parts = shares.Count == 0
            ? [.. most.Select(m => (double)m / room)]
            : [.. most.Select((_, i) => i < shares.Count ? shares[i] / (double)shares.Sum() : 0)];

        // The device that is full first bounds the whole when shares are given.
        double bound = parts.Select((part, i) => part > 0 ? most[i] / part : double.MaxValue).Min();
        long total = Math.Min(layers, (long)Math.Floor(bound + 1e-9));
        long[] split = [.. parts.Select(p => (long)Math.Floor(total * p))];
        for (int i = 0; split.Sum() < total && i < split.Length; i++)
        {
            // What rounding left goes where there is room.
            if (parts[i] > 0)
            {
                split[i] += Math.Min(total - split.Sum(), most[i] - split[i]);
            }
        }

        return split;
    }

    private static ModelException TooLarge(string what, string why, string fix) => new(ModelErrorCode.NoSpace, what, why, fix);
}
