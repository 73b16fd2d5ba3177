using System.Collections.Concurrent;

namespace Cocoon.Tests.Simulation;

/// <summary>Runs a whole network on one thread under virtual time: what can run runs, then time jumps to the next event.</summary>
/// <remarks>
/// One millisecond is the grain of time. Everything that protocols await comes back here, because it starts here, so a run with the
/// same seed is the same run. What other threads post (nothing should) is counted as <see cref="Strays"/>.
/// </remarks>
internal sealed class SimLoop : SynchronizationContext
{
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _ready = new();
    private readonly ConcurrentQueue<(SendOrPostCallback Callback, object? State)> _strays = new();
    private readonly Dictionary<long, List<SimEvent>> _events = [];
    private readonly PriorityQueue<long, long> _times = new();
    private readonly Stack<List<SimEvent>> _spare = new();
    private readonly List<object> _kept = [];
    private int _thread;

    /// <summary>Milliseconds since the start.</summary>
    public long Now { get; private set; }

    /// <summary>Callbacks that came from another thread: each is a hole in the run's repeatability.</summary>
    public int Strays { get; private set; }

    /// <summary>Where the first of them came from: the stack that posted it.</summary>
    public string? StrayOrigin { get; private set; }

    /// <summary>Callbacks and events run so far.</summary>
    public long Steps { get; private set; }

    public override void Post(SendOrPostCallback d, object? state)
    {
        if (Environment.CurrentManagedThreadId == _thread)
        {
            _ready.Enqueue((d, state));
        }
        else
        {
            StrayOrigin ??= Environment.StackTrace;
            _strays.Enqueue((d, state));
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing may wait for the loop.");

    public override SynchronizationContext CreateCopy() => this;

    /// <param name="delay">Milliseconds from now; 0 is still after everything that runs now.</param>
    public void Schedule(SimEvent item, long delay)
    {
        long at = Now + Math.Max(0, delay);
        if (!_events.TryGetValue(at, out List<SimEvent>? same))
        {
            _events.Add(at, same = _spare.TryPop(out List<SimEvent>? spare) ? spare : []);
            _times.Enqueue(at, at);
        }

        same.Add(item);
    }

    public void Schedule(Action action, long delay) => Schedule(new ActionEvent(action), delay);

    /// <summary>Keeps an object until the run is over: no finalizer of what it refers to runs meanwhile.</summary>
    public void Keep(object item) => _kept.Add(item);

    /// <summary>Runs everything up to and including a moment.</summary>
    public void RunUntil(long time)
    {
        SynchronizationContext? outer = Current;
        _thread = Environment.CurrentManagedThreadId;
        SetSynchronizationContext(this);
        try
        {
            Drain();
            while (_times.TryPeek(out long next, out _) && next <= time)
            {
                Now = next;
                _times.Dequeue();
                List<SimEvent> due = _events[next];

                // Events may schedule others for this very moment; they come into the same list.
                for (int i = 0; i < due.Count; i++)
                {
                    Steps++;
                    due[i].Fire();
                    Drain();
                }

                _events.Remove(next);
                due.Clear();
                _spare.Push(due);
            }

            Now = time;
        }
        finally
        {
            SetSynchronizationContext(outer);
        }
    }

    private void Drain()
    {
        while (true)
        {
            while (_ready.TryDequeue(out (SendOrPostCallback Callback, object? State) work))
            {
                Steps++;
                work.Callback(work.State);
            }

            if (!_strays.TryDequeue(out (SendOrPostCallback Callback, object? State) stray))
            {
                return;
            }

            Strays++;
            stray.Callback(stray.State);
        }
    }

    private sealed class ActionEvent(Action action) : SimEvent
    {
        public override void Fire() => action();
    }
}

/// <summary>Something that happens at a moment of virtual time.</summary>
internal abstract class SimEvent
{
    public abstract void Fire();
}
