using Cocoon.Protocol.Threading;

namespace Cocoon.Enclave.Inference;

/// <summary>Wakes one reader, from any thread and without allocating: a channel of one would cost an object for each token.</summary>
/// <remarks>
/// Sets while nobody waits are remembered as one. One reader, one wait at a time; it goes on upon the thread of <paramref name="readers"/>
/// if there is one, else upon the thread pool.
/// </remarks>
internal sealed class ReaderSignal(ReaderThread? readers = null) : IThreadPoolWorkItem
{
    private readonly AsyncSignal _signal = new();

    /// <summary>The one before it that is to go on; the reader thread's own.</summary>
    internal ReaderSignal? Next { get; set; }

    public void Set()
    {
        if (_signal.TryClaim() && readers?.TryPost(this) != true)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <inheritdoc cref="AsyncSignal.WaitAsync"/>
    public ValueTask WaitAsync() => _signal.WaitAsync();

    /// <inheritdoc cref="AsyncSignal.Release"/>
    internal void GoOn() => _signal.Release();

    void IThreadPoolWorkItem.Execute() => GoOn();
}
