using Cocoon.Protocol.Libp2p;

namespace Cocoon.Tests.Support;

/// <summary>One direction of an in-memory stream: chunks become readable one link latency after they were written.</summary>
/// <remarks>Bounded like a yamux window: a writer waits while <see cref="Window"/> bytes are unread.</remarks>
internal sealed class MemoryPipe(TimeProvider time, TimeSpan latency)
{
    public const int Window = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<byte[]> _arrived = new();
    private readonly List<ITimer> _inFlight = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _unread;
    private int _offset;
    private bool _ended;
    private bool _broken;

    public long Bytes { get; private set; }

    /// <summary>Whether nothing more can come out of it.</summary>
    public bool IsDone
    {
        get
        {
            lock (_lock)
            {
                return _broken || (_ended && _arrived.Count == 0);
            }
        }
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        while (!buffer.IsEmpty)
        {
            byte[]? chunk = null;
            Task wait;
            lock (_lock)
            {
                ThrowIfBroken();
                int room = Math.Min(buffer.Length, Window - _unread);
                wait = _changed.Task;
                if (room > 0)
                {
                    chunk = buffer[..room].ToArray();
                    _unread += room;
                    Bytes += room;
                }
            }

            if (chunk is null)
            {
                await WaitAsync(wait, cancellationToken);
                continue;
            }

            buffer = buffer[chunk.Length..];
            Deliver(chunk);
        }
    }

    /// <summary>The end of the stream travels like a chunk.</summary>
    public void Complete() => Deliver(null);

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wait;
            lock (_lock)
            {
                ThrowIfBroken();
                if (_arrived.TryPeek(out byte[]? chunk))
                {
                    int count = Math.Min(buffer.Length, chunk.Length - _offset);
                    chunk.AsSpan(_offset, count).CopyTo(buffer.Span);
                    _offset += count;
                    if (_offset == chunk.Length)
                    {
                        _arrived.Dequeue();
                        _offset = 0;
                    }

                    _unread -= count;
                    Signal();
                    return count;
                }

                if (_ended)
                {
                    return 0;
                }

                wait = _changed.Task;
            }

            await WaitAsync(wait, cancellationToken);
        }
    }

    public void Break()
    {
        lock (_lock)
        {
            _broken = true;
            _inFlight.ForEach(timer => timer.Dispose());
            _inFlight.Clear();
            Signal();
        }
    }

    /// <summary>Awaits the change itself: a task around it would come back by the thread pool, past a <see cref="VirtualLoop"/>.</summary>
    private async Task WaitAsync(Task changed, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static pipe => ((MemoryPipe)pipe!).Wake(), this);
        await changed;
        cancellationToken.ThrowIfCancellationRequested();
    }

    private void Wake()
    {
        lock (_lock)
        {
            Signal();
        }
    }

    private void Deliver(byte[]? chunk)
    {
        if (latency == TimeSpan.Zero)
        {
            Arrive(chunk);
            return;
        }

        lock (_lock)
        {
            if (_broken)
            {
                return;
            }

            ITimer? timer = null;
            timer = time.CreateTimer(_ => Arrive(chunk, timer), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _inFlight.Add(timer);
            timer.Change(latency, Timeout.InfiniteTimeSpan);
        }
    }

    private void Arrive(byte[]? chunk, ITimer? timer = null)
    {
        lock (_lock)
        {
            if (timer is not null)
            {
                _inFlight.Remove(timer);
                timer.Dispose();
            }

            if (chunk is null)
            {
                _ended = true;
            }
            else
            {
                _arrived.Enqueue(chunk);
            }

            Signal();
        }
    }

    private void Signal()
    {
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    private void ThrowIfBroken()
    {
        if (_broken)
        {
            throw new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset.");
        }
    }
}
