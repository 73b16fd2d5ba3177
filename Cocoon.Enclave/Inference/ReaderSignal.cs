using System.Threading.Tasks.Sources;

namespace Cocoon.Enclave.Inference;

/// <summary>Wakes one reader, from any thread and without allocating: a channel of one would cost an object for each token.</summary>
/// <remarks>Sets while nobody waits are remembered as one. One reader, one wait at a time; it goes on upon the thread pool.</remarks>
internal sealed class ReaderSignal : IValueTaskSource, IThreadPoolWorkItem
{
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<bool> _wait;
    private bool _isSet;
    private bool _isWaited;

    public void Set()
    {
        lock (_gate)
        {
            if (!_isWaited)
            {
                _isSet = true;
                return;
            }

            _isWaited = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>Completes at the next <see cref="Set"/>, or at once after one that nobody has waited for yet.</summary>
    public ValueTask WaitAsync()
    {
        lock (_gate)
        {
            if (_isSet)
            {
                _isSet = false;
                return ValueTask.CompletedTask;
            }

            _wait.Reset();
            _isWaited = true;
            return new ValueTask(this, _wait.Version);
        }
    }

    void IThreadPoolWorkItem.Execute() => _wait.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}
