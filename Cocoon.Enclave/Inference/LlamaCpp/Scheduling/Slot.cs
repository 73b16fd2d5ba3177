namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

internal enum SlotState
{
    /// <summary>No request; may hold a finished one's tokens for reuse by the same tenant.</summary>
    Free = 0,

    Prefill = 1,

    /// <summary>A further choice of a request whose prompt another slot is reading.</summary>
    AwaitingPrompt = 2,

    Decode = 3,
}

/// <summary>One sequence of the context: what its cache holds, for whom, and who is using it.</summary>
internal sealed class Slot(int sequence, int context)
{
    private readonly int[] _tokens = new int[context];

    public int Sequence { get; } = sequence;

    public SlotState State { get; set; }

    public GenerationJob? Job { get; set; }

    public GenerationChoice? Choice { get; set; }

    /// <summary>Sampled, reported, and not yet in the cache.</summary>
    public int NextToken { get; set; }

    /// <summary>Row of this step's batch whose logits are wanted; -1: none.</summary>
    public int OutputRow { get; set; } = -1;

    /// <summary>Tokens of this step's batch.</summary>
    public int InBatch { get; set; }

    /// <summary>Whose tokens the cache holds; <c>null</c>: nobody may reuse them.</summary>
    public TenantKey? Owner { get; set; }

    public long LastUsed { get; set; }

    /// <summary>Tokens in the cache.</summary>
    public int Count { get; private set; }

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    public void Append(ReadOnlySpan<int> tokens)
    {
        tokens.CopyTo(_tokens.AsSpan(Count));
        Count += tokens.Length;
    }

    public void Truncate(int count)
    {
        _tokens.AsSpan(count, Count - count).Clear();
        Count = count;
    }

    public void CopyFrom(Slot other)
    {
        Truncate(0);
        Append(other.Tokens);
    }
}
