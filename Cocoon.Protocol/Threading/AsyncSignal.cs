using System.Threading.Tasks.Sources;

namespace Cocoon.Protocol.Threading;

/// <summary>An auto-reset event for one waiter, without allocation.</summary>
/// <remarks>
/// The waiter continues on the thread that calls <see cref="Set"/>: a writer that wakes the send loop sends its own bytes, with no
/// hop between threads. So never set it while holding a lock that the waiter takes.
/// </remarks>
internal sealed class AsyncSignal : IValueTaskSource
{
    private const int Idle = 0, Signaled = 1, Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> _core;
    private int _state;

    public void Set()
    {
        if (TryClaim())
        {
            Release();
        }
    }

    /// <summary>As <see cref="Set"/>, but for letting the waiter go on: the caller does, where it wants it to.</summary>
    /// <returns>Whether one waits, for whom <see cref="Release"/> is to be called once.</returns>
    public bool TryClaim()
    {
        while (true)
        {
            switch (Volatile.Read(ref _state))
            {
                case Signaled:
                    return false;
                case Idle when Interlocked.CompareExchange(ref _state, Signaled, Idle) == Idle:
                    return false;
                case Waiting when Interlocked.CompareExchange(ref _state, Idle, Waiting) == Waiting:
                    return true;
            }
        }
    }

    /// <summary>Lets a claimed waiter go on upon this thread, as far as it comes without waiting.</summary>
    public void Release() => _core.SetResult(true);

    /// <summary>Completes at the next <see cref="Set"/>, or at once after one that nobody has waited for yet.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref _state, Idle, Signaled) == Signaled)
        {
            return ValueTask.CompletedTask;
        }

        _core.Reset();
        if (Interlocked.CompareExchange(ref _state, Waiting, Idle) != Idle)
        {
            Volatile.Write(ref _state, Idle);
            return ValueTask.CompletedTask;
        }

        return new ValueTask(this, _core.Version);
    }

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
