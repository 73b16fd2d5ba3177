using System.Threading.Tasks.Sources;

namespace Cocoon.Enclave.Inference;

/// <summary>Wakes one reader, from any thread and without allocating: a channel of one would cost an object for each token.</summary>
/// <remarks>
/// Sets while nobody waits are remembered as one. One reader, one wait at a time; it goes on upon the thread of <paramref name="readers"/>
/// if there is one, else upon the thread pool.
/// </remarks>
internal sealed class ReaderSignal(ReaderThread? readers = null) : IValueTaskSource, IThreadPoolWorkItem
{
    private const int Idle = 0, IsSet = 1, IsWaited = 2;

    private ManualResetValueTaskSourceCore<bool> _wait;
    private int _state;

    /// <summary>The one before it that is to go on; the reader thread's own.</summary>
    internal ReaderSignal? Next { get; set; }

    public void Set()
    {
        // A lock would do, but one that is contended for makes an event to wait with, on account of the thread that decodes.
        bool isDue = Interlocked.CompareExchange(ref _state, IsSet, Idle) == IsWaited && Interlocked.CompareExchange(ref _state, Idle, IsWaited) == IsWaited;
        if (isDue && readers?.TryPost(this) != true)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Completes at the next <see cref="Set"/>, or at once after one that nobody has waited for yet.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref _state, Idle, IsSet) == IsSet)
        {
            return ValueTask.CompletedTask;
        }

        _wait.Reset();
        ValueTask wait = new(this, _wait.Version);
        if (Interlocked.CompareExchange(ref _state, IsWaited, Idle) == Idle)
        {
            return wait;
        }

        Volatile.Write(ref _state, Idle);
        return ValueTask.CompletedTask;
    }

    /// <summary>Lets the reader go on upon this thread, as far as it comes without waiting.</summary>
    internal void GoOn() => _wait.SetResult(true);

    void IThreadPoolWorkItem.Execute() => GoOn();

    void IValueTaskSource.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}
