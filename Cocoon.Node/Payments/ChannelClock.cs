namespace Cocoon.Node.Payments;

/// <summary>Chain time: the newest block time seen, carried on by the local clock's pace (never by its date).</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class ChannelClock(TimeProvider time)
{
    private readonly Lock _lock = new();
    private long _seen;
    private long _at;

    /// <summary>Unix seconds; 0 before any block was seen.</summary>
    public long Now
    {
        get
        {
            lock (_lock)
            {
                return _seen == 0 ? 0 : _seen + (long)time.GetElapsedTime(_at).TotalSeconds;
            }
        }
    }

    /// <summary>A later block time moves the clock; an earlier one is an answer that was late.</summary>
    public void Observe(uint chainTime)
    {
        lock (_lock)
        {
            if (chainTime > _seen)
            {
                _seen = chainTime;
                _at = time.GetTimestamp();
            }
        }
    }

    /// <summary>Seconds that passed on the chain since that block, by this clock.</summary>
    public double Since(uint chainTime) => Math.Max(0, Now - chainTime);
}
