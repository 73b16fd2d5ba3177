namespace Cocoon.Enclave.Inference;

/// <summary>Lets waiting readers go on, one after the other, on behalf of a thread that must not pay for it.</summary>
/// <remarks>
/// A post is a link in a list and, once per <see cref="Release"/>, an event. The readers go on here: the pool would wake two threads for
/// each of them, which costs more than what a reader does with a token (it seals it and writes it to the pipe that all of them share).
/// </remarks>
internal sealed class ReaderThread : IDisposable
{
    private static readonly ReaderSignal Closed = new();

    private readonly WakeEvent _posted = new();
    private ReaderSignal? _last;
    private int _isHeld;

    public ReaderThread() => new Thread(Run) { Name = "answers", IsBackground = true }.Start();

    /// <summary>Any thread. <c>false</c> after disposal: the caller queues it.</summary>
    /// <param name="signal">In the list at most once: nobody waits on it again before it was brought on its way.</param>
    public bool TryPost(ReaderSignal signal)
    {
        ReaderSignal? seen;
        do
        {
            seen = Volatile.Read(ref _last);
            if (seen == Closed)
            {
                return false;
            }

            signal.Next = seen;
        }
        while (Interlocked.CompareExchange(ref _last, signal, seen) != seen);

        if (seen is null && Volatile.Read(ref _isHeld) == 0)
        {
            _posted.Set();
        }

        return true;
    }

    /// <summary>What is posted from here on waits for <see cref="Release"/>: the answers of one step leave with one change of thread.</summary>
    public void Hold() => Interlocked.Exchange(ref _isHeld, 1);

    public void Release()
    {
        Interlocked.Exchange(ref _isHeld, 0);
        if (Volatile.Read(ref _last) is not null)
        {
            _posted.Set();
        }
    }

    /// <summary>Ends the thread when all that was posted is on its way. Idempotent.</summary>
    public void Dispose()
    {
        // By the pool: whoever disposes is not to run other people's code.
        Bring(Interlocked.Exchange(ref _last, Closed), static reader => ThreadPool.UnsafeQueueUserWorkItem(reader, preferLocal: false));
        _posted.Set();
    }

    private void Run()
    {
        ReaderSignal? posted;
        do
        {
            _posted.Wait();
            posted = Volatile.Read(ref _last);
            while (posted is not null && posted != Closed)
            {
                ReaderSignal? before = Interlocked.CompareExchange(ref _last, null, posted);
                if (before == posted)
                {
                    Bring(posted, static reader => reader.GoOn());
                }

                posted = before == posted ? Volatile.Read(ref _last) : before;
            }
        }
        while (posted != Closed);
    }

    private static void Bring(ReaderSignal? last, Action<ReaderSignal> wake)
    {
        if (last == Closed)
        {
            return;
        }

        // Those that were posted first go first.
        ReaderSignal? first = null;
        while (last is not null)
        {
            (last.Next, first, last) = (first, last, last.Next);
        }

        while (first is not null)
        {
            ReaderSignal next = first;
            first = next.Next;
            next.Next = null;
            wake(next);
        }
    }
}
