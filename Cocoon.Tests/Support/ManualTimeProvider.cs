namespace Cocoon.Tests.Support;

/// <summary>A clock that moves only when told. Timers fire on the caller of <see cref="Advance"/>, in the order of their due times.</summary>
/// <remarks>Thread-safe. <c>Task.Delay</c>, <c>CancellationTokenSource</c> and <c>PeriodicTimer</c> accept it.</remarks>
internal sealed class ManualTimeProvider : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<(ManualTimer Timer, long Version), (long Due, long Order)> _timers = new();
    private readonly DateTimeOffset _start;
    private long _ticks;
    private long _order;

    public ManualTimeProvider(DateTimeOffset? start = null) => _start = start ?? new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Timers that wait now; a test waits for its subject to arm one before it advances.</summary>
    public int ArmedTimers
    {
        get
        {
            lock (_lock)
            {
                return _timers.UnorderedItems.Count(item => item.Element.Version == item.Element.Timer.Version);
            }
        }
    }

    public override DateTimeOffset GetUtcNow() => _start.AddTicks(Interlocked.Read(ref _ticks));

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock on and fires everything that becomes due, each at its own time.</summary>
    public void Advance(TimeSpan by)
    {
        long target = Interlocked.Read(ref _ticks) + by.Ticks;
        while (TryTakeDue(target) is { } timer)
        {
            timer.Fire();
        }

        Interlocked.Exchange(ref _ticks, Math.Max(target, Interlocked.Read(ref _ticks)));
    }

    private ManualTimer? TryTakeDue(long target)
    {
        lock (_lock)
        {
            while (_timers.TryPeek(out (ManualTimer Timer, long Version) entry, out (long Due, long Order) key) && key.Due <= target)
            {
                _timers.Dequeue();
                if (entry.Version != entry.Timer.Version)
                {
                    continue;
                }

                Interlocked.Exchange(ref _ticks, Math.Max(key.Due, _ticks));
                entry.Timer.Version++;
                if (entry.Timer.Period > TimeSpan.Zero)
                {
                    _timers.Enqueue((entry.Timer, entry.Timer.Version), (key.Due + entry.Timer.Period.Ticks, _order++));
                }

                return entry.Timer;
            }

            return null;
        }
    }

    private sealed class ManualTimer(ManualTimeProvider owner, TimerCallback callback, object? state) : ITimer
    {
        public long Version { get; set; }

        public TimeSpan Period { get; private set; }

        private bool Disposed { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (owner._lock)
            {
                if (Disposed)
                {
                    return false;
                }

                Version++;
                Period = period;
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    owner._timers.Enqueue((this, Version), (owner._ticks + dueTime.Ticks, owner._order++));
                }
            }

            return true;
        }

        public void Fire() => callback(state);

        public void Dispose()
        {
            lock (owner._lock)
            {
                Disposed = true;
                Version++;
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
