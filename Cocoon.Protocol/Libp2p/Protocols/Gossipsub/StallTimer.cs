namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>How long something has been going on, for who looks from another thread.</summary>
internal sealed class StallTimer(TimeProvider time)
{
    private const long Idle = long.MinValue;

    private long _since = Idle;

    public void Begin() => Volatile.Write(ref _since, time.GetTimestamp());

    public void End() => Volatile.Write(ref _since, Idle);

    /// <summary>Whether it began longer ago than that and has not ended.</summary>
    public bool IsOver(TimeSpan limit) => Volatile.Read(ref _since) is var since && since != Idle && time.GetElapsedTime(since) > limit;
}
