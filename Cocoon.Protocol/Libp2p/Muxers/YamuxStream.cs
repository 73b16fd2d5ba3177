namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>A stream of a yamux session.</summary>
/// <remarks>
/// The receiving half lives under the stream's lock, the sending half under the session's (<see cref="YamuxSendState"/>); they are never
/// held together. One reader and one writer at a time.
/// </remarks>
internal sealed class YamuxStream : IByteStream, IAsyncDisposable
{
    /// <summary>Both directions of every stream start with this window, without any message.</summary>
    public const int InitialWindow = 256 * 1024;

    /// <summary>Growth reacts at least to this time between two updates: below it, thread switches dominate the round trip.</summary>
    private static readonly TimeSpan MinGrowthEpoch = TimeSpan.FromMilliseconds(2);

    private readonly YamuxSession _session;
    private readonly Lock _lock = new();
    private readonly ReceiveQueue _received;
    private readonly StreamOperation _read = new();
    private readonly StreamOperation _write = new();
    private Memory<byte> _readBuffer;
    private int _window = InitialWindow;
    private int _credit = InitialWindow;
    private long _epochStart;
    private long _lastActivity;
    private bool _remoteEnded;
    private bool _discarding;
    private Libp2pException? _error;

    internal YamuxStream(YamuxSession session, uint id, bool isInbound)
    {
        _session = session;
        _received = new ReceiveQueue(session.Memory);
        Id = id;
        IsInbound = isInbound;
        Sending = new YamuxSendState(_write) { Flags = isInbound ? YamuxFlags.Ack : YamuxFlags.Syn };
        _lastActivity = session.Time.GetTimestamp();
        _epochStart = _lastActivity;
    }

    public uint Id { get; }

    public bool IsInbound { get; }

    /// <summary>Called once the stream is gone.</summary>
    internal Action? Release { get; init; }

    /// <summary>Guarded by the session's lock.</summary>
    internal YamuxSendState Sending { get; }

    /// <summary>When a byte last moved, in the session clock's timestamps.</summary>
    public long LastActivity => Interlocked.Read(ref _lastActivity);

    /// <summary>The owner is gone and only the remote's end is missing.</summary>
    public bool IsLingering
    {
        get
        {
            lock (_lock)
            {
                return _discarding && !_remoteEnded && _error is null;
            }
        }
    }

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count = 0, update = 0;
        short version = 0;
        lock (_lock)
        {
            if (_error is not null)
            {
                throw Rethrow(_error);
            }

            if (_read.IsPending)
            {
                throw new InvalidOperationException("Another read is pending on this stream.");
            }

            if (_received.Length > 0 || buffer.IsEmpty)
            {
                count = _received.Read(buffer.Span);
                update = TakeUpdate();
            }
            else if (!_remoteEnded)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _readBuffer = buffer;
                _read.Start();
                version = _read.Version;
                count = -1;
            }
        }

        if (count >= 0)
        {
            if (update > 0)
            {
                _session.QueueUpdate(this, (uint)update, flush: true);
            }

            return ValueTask.FromResult(count);
        }

        _read.Register(static (state, token) => ((YamuxStream)state!).CancelRead(token), this, cancellationToken);
        return new ValueTask<int>(_read, version);
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => WriteAsync(buffer, flush: true, cancellationToken);

    /// <summary>As <see cref="WriteAsync(ReadOnlyMemory{byte}, CancellationToken)"/>, but the bytes may wait for the next write or <see cref="Flush"/>.</summary>
    public ValueTask WriteCorkedAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) => WriteAsync(buffer, flush: false, cancellationToken);

    /// <summary>Sends what <see cref="WriteCorkedAsync"/> held back.</summary>
    public void Flush() => _session.Flush();

    private ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, bool flush, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Touch();
        if (!_session.StartWrite(this, buffer, flush, out short version))
        {
            return ValueTask.CompletedTask;
        }

        _write.Register(static (state, token) => ((YamuxStream)state!).CancelWrite(token), this, cancellationToken);
        return new ValueTask(_write, version);
    }

    /// <summary>Half-close: the remote reads to the end of what was written.</summary>
    public ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        _session.QueueEnd(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends both directions; idempotent.</summary>
    public void Reset()
    {
        _session.QueueReset(this);
        Fail(new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset."));
    }

    /// <summary>Resets an unfinished stream; one whose write side is closed waits for the remote's end without its owner.</summary>
    public ValueTask DisposeAsync()
    {
        if (!_session.IsEnding(this))
        {
            Reset();
            return ValueTask.CompletedTask;
        }

        lock (_lock)
        {
            _discarding = true;
            _received.Clear();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Takes a piece of a Data frame's body; <c>false</c> when there is no memory for it, or the remote had ended its side.</summary>
    /// <param name="reader">A read that has its bytes now and must be released soon.</param>
    /// <param name="update">Window to announce soon.</param>
    internal bool Receive(ReadOnlySpan<byte> bytes, out StreamOperation? reader, out int update)
    {
        (reader, update) = (null, 0);
        lock (_lock)
        {
            Touch();
            _credit -= bytes.Length;
            if (_error is not null || _discarding || _remoteEnded)
            {
                return !_remoteEnded;
            }

            if (_read.IsPending)
            {
                int direct = Math.Min(bytes.Length, _readBuffer.Length);
                bytes[..direct].CopyTo(_readBuffer.Span);
                bytes = bytes[direct..];
                _readBuffer = default;
                _read.Hold(direct);
                reader = _read;
            }

            if (!_received.TryAppend(bytes))
            {
                return false;
            }

            update = TakeUpdate();
        }

        return true;
    }

    /// <summary>Whether the remote may send a frame of this length.</summary>
    internal bool HasCredit(uint length)
    {
        lock (_lock)
        {
            return length <= _credit;
        }
    }

    internal void ReceiveEnd()
    {
        lock (_lock)
        {
            Touch();
            _remoteEnded = true;
            if (_read.IsPending)
            {
                _readBuffer = default;
                _read.Complete(0);
            }
        }
    }

    /// <summary>Fails pending and future calls. The session must have forgotten the stream, or be about to.</summary>
    internal void Fail(Libp2pException error)
    {
        int grown;
        lock (_lock)
        {
            _error ??= error;
            _received.Clear();
            if (_read.IsPending)
            {
                _readBuffer = default;
                _read.Fail(Rethrow(_error));
            }

            grown = _window - InitialWindow;
            _window = InitialWindow;
        }

        if (grown > 0)
        {
            _session.WindowMemory.Release(grown);
        }
    }

    /// <summary>Gives the grown window back when the stream ended in order.</summary>
    internal void Finish()
    {
        int grown;
        lock (_lock)
        {
            grown = _window - InitialWindow;
            _window = InitialWindow;
        }

        if (grown > 0)
        {
            _session.WindowMemory.Release(grown);
        }
    }

    /// <summary>An exception belongs to one throw: shared ones would collect the stack traces of all callers.</summary>
    internal static Libp2pException Rethrow(Libp2pException error) => new(error.Code, error.Message, error.InnerException);

    private void CancelRead(CancellationToken token)
    {
        lock (_lock)
        {
            if (_read.IsPending)
            {
                _readBuffer = default;
                _read.Fail(new OperationCanceledException(token));
            }
        }
    }

    private void CancelWrite(CancellationToken token) => _session.CancelWrite(this, token);

    private void Touch() => Interlocked.Exchange(ref _lastActivity, _session.Time.GetTimestamp());

    /// <summary>
    /// Window to give back once half of it was consumed. When that took less than four round trips the window limits the stream, and is
    /// doubled as far as memory allows (go-yamux does the same).
    /// </summary>
    private int TakeUpdate()
    {
        int delta = _window - _credit - _received.Length;
        if (_remoteEnded || delta < _window / 2)
        {
            return 0;
        }

        long now = _session.Time.GetTimestamp();
        TimeSpan epoch = _session.Time.GetElapsedTime(_epochStart, now);
        TimeSpan limit = _session.RoundTrip is { } roundTrip ? 4 * roundTrip : TimeSpan.Zero;
        if (epoch < (limit > MinGrowthEpoch ? limit : MinGrowthEpoch)
            && _window < _session.Limits.MaxStreamWindow
            && _session.WindowMemory.TryReserve(Math.Min(_window, _session.Limits.MaxStreamWindow - _window)))
        {
            int growth = Math.Min(_window, _session.Limits.MaxStreamWindow - _window);
            _window += growth;
            delta += growth;
        }

        _epochStart = now;
        _credit += delta;
        return delta;
    }
}
