namespace Cocoon.Tests.Simulation;

/// <summary>The clock of one simulated node. It stops when the node dies: its timers never fire again, as those of a killed process.</summary>
internal sealed class SimClock(SimLoop loop, DateTimeOffset start) : TimeProvider
{
    public bool IsStopped { get; private set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public void Stop() => IsStopped = true;

    public override DateTimeOffset GetUtcNow() => At(loop.Now);

    /// <param name="moment">Milliseconds since the start of the run.</param>
    public DateTimeOffset At(long moment) => start.AddMilliseconds(moment);

    public override long GetTimestamp() => loop.Now * TimeSpan.TicksPerMillisecond;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        SimTimer timer = new(this, loop, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class SimTimer(SimClock clock, SimLoop loop, TimerCallback callback, object? state) : ITimer
    {
        private Entry? _entry;

        private TimeSpan Period { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _entry?.Cancel();
            _entry = null;
            Period = period;
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                Arm(dueTime);
            }

            return true;
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Arm(TimeSpan dueTime)
        {
            _entry = new Entry(this);
            loop.Schedule(_entry, (long)Math.Ceiling(dueTime.TotalMilliseconds));
        }

        private void Fire()
        {
            _entry = null;
            if (clock.IsStopped)
            {
                // A PeriodicTimer that is collected wakes who waits for it, from the finalizer's thread: a dead node would go on for a moment.
                if (Period > TimeSpan.Zero)
                {
                    loop.Keep(this);
                }

                return;
            }

            if (Period > TimeSpan.Zero)
            {
                Arm(Period);
            }

            callback(state);
        }

        /// <summary>A cancelled timer lets go of everything at once, although its place in time stays taken until then.</summary>
        private sealed class Entry(SimTimer timer) : SimEvent
        {
            private SimTimer? _timer = timer;

            public void Cancel() => _timer = null;

            public override void Fire() => _timer?.Fire();
        }
    }
}
