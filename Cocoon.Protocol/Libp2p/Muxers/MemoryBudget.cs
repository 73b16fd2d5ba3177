namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>A bound on bytes that is shared by many holders, within an outer one.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class MemoryBudget(long limit, MemoryBudget? outer = null)
{
    private long _used;

    public long Used => Interlocked.Read(ref _used);

    public bool TryReserve(int bytes)
    {
        if (Interlocked.Add(ref _used, bytes) > limit)
        {
            Interlocked.Add(ref _used, -bytes);
            return false;
        }

        if (outer is not null && !outer.TryReserve(bytes))
        {
            Interlocked.Add(ref _used, -bytes);
            return false;
        }

        return true;
    }

    public void Release(int bytes)
    {
        Interlocked.Add(ref _used, -bytes);
        outer?.Release(bytes);
    }
}
