using System.Runtime.CompilerServices;
using Cocoon.Protocol.Threading;

namespace Cocoon.Node.Enclaves;

/// <summary>What the enclave said of one request, for the one who reads it.</summary>
/// <remarks>Any thread adds, without waking the reader: <see cref="Wake"/> does once for all that came together. One reader.</remarks>
internal sealed class EnclaveEvents : IThreadPoolWorkItem
{
    private readonly Lock _lock = new();
    private readonly Queue<EnclaveEvent> _waiting = new();
    private readonly AsyncSignal _signal = new();
    private bool _isComplete;

    /// <summary>Added to since <see cref="Wake"/>; kept by who adds and wakes.</summary>
    public bool IsTold { get; set; }

    public void Add(EnclaveEvent happened)
    {
        lock (_lock)
        {
            if (!_isComplete)
            {
                _waiting.Enqueue(happened);
            }
        }
    }

    /// <summary>Nothing follows what was added.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _isComplete = true;
        }
    }

    /// <summary>Lets the reader go on upon the caller's thread, as far as it comes without waiting. Not while a lock is held.</summary>
    public void Wake() => _signal.Set();

    /// <summary>As <see cref="Wake"/>, upon the thread pool.</summary>
    public void WakeElsewhere() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute() => Wake();

    /// <exception cref="OperationCanceledException">Before the end.</exception>
    public async IAsyncEnumerable<EnclaveEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration leaving = cancellationToken.UnsafeRegister(static events => ((EnclaveEvents)events!).WakeElsewhere(), this);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Take() is var (happened, isOver) && happened is not null)
            {
                yield return happened;
            }
            else if (isOver)
            {
                yield break;
            }
            else
            {
                await _signal.WaitAsync();
            }
        }
    }

    private (EnclaveEvent? Happened, bool IsOver) Take()
    {
        lock (_lock)
        {
            return _waiting.TryDequeue(out EnclaveEvent? happened) ? (happened, false) : (null, _isComplete);
        }
    }
}
