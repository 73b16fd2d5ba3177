namespace Cocoon.Node.Models;

/// <summary>What serving a model takes, before anything is loaded.</summary>
/// <param name="WeightBytes">All tensors.</param>
/// <param name="CacheBytes">Keys and values of every slot's whole context, 16-bit.</param>
/// <param name="ComputeBytes">Scratch of one batch: an estimate, measured once a model runs.</param>
internal sealed record MemoryFit(long WeightBytes, long CacheBytes, long ComputeBytes, int Slots, int ContextTokens)
{
    /// <summary>Requests that one engine answers at a time.</summary>
    public const int MaxSlots = 64;

    // Batches of 512 tokens: llama.cpp's scratch of common architectures stays below this; small models need far less.
    private const long MaxCompute = 300L << 20;
    private const long MinCompute = 32L << 20;
    private const int CacheElementBytes = 2;

    /// <summary>Twentieth part on top, at least 64 MiB: estimates are estimates, and the program itself lives there too.</summary>
    public long SpareBytes => Math.Max((WeightBytes + CacheBytes) / 20, 64L << 20);

    public long Needed => WeightBytes + CacheBytes + ComputeBytes + SpareBytes;

    /// <param name="contextTokens">Of one slot; 0: what the model was trained for, at most 8,192.</param>
    public static MemoryFit Of(ModelFacts facts, int slots, int contextTokens)
    {
        int context = contextTokens > 0 ? contextTokens : (int)Math.Min(facts.ContextLength, 8192);
        long perToken = facts.Layers * facts.KeyValueHeads * (facts.KeyLength + facts.ValueLength) * CacheElementBytes;
        return new MemoryFit(
            facts.TensorBytes, checked(perToken * context * slots), Math.Clamp(facts.TensorBytes / 4, MinCompute, MaxCompute), slots, context);
    }

    /// <summary>Most slots with this context that <paramref name="available"/> bytes hold; 0 when not even one.</summary>
    public static int MostSlots(ModelFacts facts, int contextTokens, long available)
    {
        int slots = 0;
        while (slots < MaxSlots && Of(facts, slots + 1, contextTokens).Needed <= available)
        {
            slots++;
        }

        return slots;
    }
}
