using System.Threading.Tasks.Sources;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>A read or write that waits, reused for the life of its stream, so that waiting allocates nothing.</summary>
/// <remarks>
/// <see cref="Start"/>, one completion, and the awaiter's result follow each other; the stream's lock keeps the first two in order.
/// The awaiter continues on the thread pool, and never so that one of the connection's loops waits for it.
/// </remarks>
internal sealed class StreamOperation : IValueTaskSource<int>, IValueTaskSource, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<int> _core;
    private CancellationTokenRegistration _registration;
    private Exception? _error;
    private int _result;

    public bool IsPending { get; private set; }

    public short Version => _core.Version;

    public void Start()
    {
        _core.Reset();
        _error = null;
        IsPending = true;
    }

    /// <summary>Called outside of the stream's lock, after <see cref="Start"/>: the callback may run at once.</summary>
    public void Register(Action<object?, CancellationToken> cancel, object state, CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(cancel, state);
        }
    }

    public void Complete(int result)
    {
        _result = result;
        Finish();
    }

    /// <summary>Has its result, but the awaiter sleeps until <see cref="Release"/>: woken once, it finds more.</summary>
    public void Hold(int result)
    {
        _result = result;
        IsPending = false;
    }

    /// <summary>Once, after <see cref="Hold"/>.</summary>
    public void Release() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);

    public void Fail(Exception error)
    {
        _error = error;
        Finish();
    }

    /// <summary>As <see cref="Release"/>, on the caller's thread, which has nothing that waits for it.</summary>
    public void GoOn()
    {
        if (_error is { } error)
        {
            _core.SetException(error);
        }
        else
        {
            _core.SetResult(_result);
        }
    }

    void IThreadPoolWorkItem.Execute() => GoOn();

    int IValueTaskSource<int>.GetResult(short token) => GetResult(token);

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void Finish()
    {
        IsPending = false;
        Release();
    }

    private int GetResult(short token)
    {
        CancellationTokenRegistration registration = _registration;
        _registration = default;
        registration.Dispose();
        return _core.GetResult(token);
    }
}
