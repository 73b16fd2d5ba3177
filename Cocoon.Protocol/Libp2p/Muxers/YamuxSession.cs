using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Libp2p.Security;
using Cocoon.Protocol.Threading;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <summary>A yamux session over a Noise channel: many streams over one connection.</summary>
/// <remarks>
/// One receive loop parses frames where they were decrypted; one send loop seals and sends what the pump has laid out. Writers run the
/// pump themselves under the lock and wake the send loop on their own thread. Control frames go before data, and data turns over the
/// streams one frame at a time. This part holds what is sent; <c>YamuxSession.Receive.cs</c> what is received.
/// </remarks>
internal sealed partial class YamuxSession : IAsyncDisposable
{
    public const string Protocol = "/yamux/1.0.0";

    /// <summary>A frame fills one Noise record: below 64 KiB, so that streams take turns.</summary>
    public const int MaxFrameBody = RecordBuffer.MaxPlaintext - YamuxHeader.Size;

    /// <summary>Rounds of the send loop on a writer's thread before it moves to one of its own.</summary>
    private const int InlineRounds = 8;

    /// <summary>Control frames that wait because the remote does not read; more of them end the session.</summary>
    private const int MaxQueuedControl = 4096;

    private readonly NoiseChannel _channel;
    private readonly bool _isClient;
    private readonly Action<YamuxStream> _accept;
    private readonly Func<Action?>? _admit;
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, YamuxStream> _streams = [];
    private readonly Queue<YamuxStream> _control = new();
    private readonly Queue<YamuxStream> _data = new();
    private readonly Queue<YamuxHeader> _urgent = new();
    private readonly SemaphoreSlim _unacknowledged;
    private readonly AsyncSignal _sendSignal = new();
    /// <summary>Never disposed: who ends the session may come to cancel it after another has seen both loops end. Without a timer it holds nothing.</summary>
    private readonly CancellationTokenSource _ended = new();
    private RecordBuffer _filling = new();
    private RecordBuffer _sending = new();
    private Task _receiveLoop = Task.CompletedTask;
    private Task _sendLoop = Task.CompletedTask;
    private Task? _disposal;
    private Libp2pException? _error;
    private long _roundTripTicks = -1;
    private uint _nextId;
    private int _inboundCount;
    private int _outboundCount;
    private int _queuedPongs;
    private bool _closing;
    private bool _remoteGoneAway;

    /// <param name="channel">Owned from now on.</param>
    /// <param name="isClient">The side that dialled (the security initiator).</param>
    /// <param name="accept">Called on the receive loop for each inbound stream; returns at once.</param>
    /// <param name="admit">
    /// Asked under the session's lock whether there is room for one more inbound stream beyond this session: <c>null</c> when there is
    /// none, else what is called once the stream is gone.
    /// </param>
    public YamuxSession(
        NoiseChannel channel,
        bool isClient,
        Libp2pLimits limits,
        MemoryBudget nodeMemory,
        MemoryBudget nodeWindows,
        TimeProvider time,
        Action<YamuxStream> accept,
        Func<Action?>? admit = null)
    {
        _channel = channel;
        _isClient = isClient;
        _accept = accept;
        _admit = admit;
        Limits = limits;
        Time = time;
        Memory = new MemoryBudget(limits.ConnectionMemory, nodeMemory);
        WindowMemory = new MemoryBudget(limits.ConnectionMemory, nodeWindows);
        _unacknowledged = new SemaphoreSlim(limits.UnacknowledgedStreams);
        _nextId = isClient ? 1u : 2u;
        Ended = _ended.Token;
        _tokensAt = time.GetTimestamp();
        _streamTokens = limits.InboundStreamBurst;
        _pingTokens = limits.PingsPerSecond;
    }

    public Libp2pLimits Limits { get; }

    public TimeProvider Time { get; }

    /// <summary>Bytes buffered for readers.</summary>
    public MemoryBudget Memory { get; }

    /// <summary>Window granted above what every stream has.</summary>
    public MemoryBudget WindowMemory { get; }

    /// <summary>Smoothed over the keep-alive pings; <c>null</c> before the first answer.</summary>
    public TimeSpan? RoundTrip => Interlocked.Read(ref _roundTripTicks) is var ticks and >= 0 ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>Cancelled when the session ends, for whatever reason.</summary>
    public CancellationToken Ended { get; }

    /// <summary>Why the session ended.</summary>
    public Libp2pException? Error => Volatile.Read(ref _error);

    public int StreamCount
    {
        get
        {
            lock (_lock)
            {
                return _streams.Count;
            }
        }
    }

    /// <summary>Completes when both loops have ended.</summary>
    public Task Completion => Task.WhenAll(_receiveLoop, _sendLoop);

    public void Start()
    {
        // Fresh work items: the loops must not inherit a synchronization context or the caller's stack.
        _receiveLoop = Task.Run(ReceiveLoopAsync);
        _sendLoop = Task.Run(SendLoopAsync);
    }

    /// <summary>Opens a stream; nothing is sent before its first frame.</summary>
    /// <param name="release">Called once the stream is gone, under the session's lock; not when this fails.</param>
    /// <exception cref="Libp2pException">The session ended, or too many streams are open.</exception>
    public async ValueTask<YamuxStream> OpenStreamAsync(CancellationToken cancellationToken, Action? release = null)
    {
        await _unacknowledged.WaitAsync(cancellationToken);
        lock (_lock)
        {
            Libp2pException? refusal = _error is not null ? YamuxStream.Rethrow(_error)
                : _closing || _remoteGoneAway || _nextId > uint.MaxValue - 2 ? new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The connection is closing.")
                : _outboundCount >= Limits.OutboundStreams ? new Libp2pException(Libp2pErrorCode.ResourceLimit, "Too many streams are open to this peer.")
                : null;
            if (refusal is not null)
            {
                _unacknowledged.Release();
                throw refusal;
            }

            YamuxStream stream = new(this, _nextId, isInbound: false) { Release = release };
            _nextId += 2;
            _outboundCount++;
            _streams.Add(stream.Id, stream);
            return stream;
        }
    }

    /// <summary>The open streams now.</summary>
    public IReadOnlyList<YamuxStream> GetStreams()
    {
        lock (_lock)
        {
            return [.. _streams.Values];
        }
    }

    /// <summary>Says goodbye, sends what is queued, and ends; idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (!_closing)
            {
                _closing = true;
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.GoAway, YamuxFlags.None, 0, (uint)YamuxGoAway.Normal));
            }
        }

        _sendSignal.Set();
        Task ended = Completion;
        if (ended != await Task.WhenAny(ended, Task.Delay(Limits.CloseTimeout, Time, CancellationToken.None)))
        {
            Terminate(new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The connection was closed."), goAway: null);
            _channel.Abort();
        }

        await ended;
        await DisposeChannelAsync();
    }

    /// <summary>Ends the session at once; pending calls of all streams fail with <paramref name="error"/>.</summary>
    /// <param name="goAway">Told to the remote if the socket takes it.</param>
    public void Terminate(Libp2pException error, YamuxGoAway? goAway)
    {
        List<YamuxStream> streams;
        lock (_lock)
        {
            if (_error is not null)
            {
                return;
            }

            _error = error;
            streams = [.. _streams.Values];
            foreach (YamuxStream stream in streams)
            {
                Forget(stream);
                Silence(stream, error);
            }

            _control.Clear();
            _data.Clear();
            _urgent.Clear();
            if (goAway is { } code)
            {
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.GoAway, YamuxFlags.None, 0, (uint)code));
            }
        }

        foreach (YamuxStream stream in streams)
        {
            stream.Fail(error);
        }

        if (goAway is null)
        {
            _channel.Abort();
        }

        _sendSignal.Set();
        _ended.Cancel();
    }

    /// <summary>Sends as much as window and buffer take; <c>true</c> when the rest waits for completion of the stream's write operation.</summary>
    internal bool StartWrite(YamuxStream stream, ReadOnlyMemory<byte> buffer, bool flush, out short version)
    {
        YamuxSendState sending = stream.Sending;
        bool pending;
        lock (_lock)
        {
            version = 0;
            ThrowIfClosed(sending);
            if (sending.Ended)
            {
                throw new InvalidOperationException("The write side of this stream is closed.");
            }

            if (!sending.Pending.IsEmpty || sending.Write.IsPending)
            {
                throw new InvalidOperationException("Another write is pending on this stream.");
            }

            if (buffer.IsEmpty)
            {
                return false;
            }

            sending.Pending = buffer;
            QueueData(stream);
            Pump();
            pending = !sending.Pending.IsEmpty;
            if (pending)
            {
                sending.Write.Start();
                version = sending.Write.Version;
            }
        }

        if (flush || pending)
        {
            _sendSignal.Set();
        }

        return pending;
    }

    internal void Flush() => _sendSignal.Set();

    internal void CancelWrite(YamuxStream stream, CancellationToken token)
    {
        lock (_lock)
        {
            YamuxSendState sending = stream.Sending;
            if (sending.Write.IsPending)
            {
                sending.Pending = default;
                sending.Write.Fail(new OperationCanceledException(token));
            }
        }
    }

    /// <summary>Mixes another measurement into <see cref="RoundTrip"/>.</summary>
    public void AddRoundTrip(TimeSpan sample)
    {
        TimeSpan smoothed = RoundTrip is { } before ? ((7 * before) + sample) / 8 : sample;
        Interlocked.Exchange(ref _roundTripTicks, smoothed.Ticks);
    }

    internal void QueueUpdate(YamuxStream stream, uint delta, bool flush)
    {
        lock (_lock)
        {
            if (stream.Sending.Closed)
            {
                return;
            }

            stream.Sending.Update += delta;
            QueueControl(stream);
            Pump();
        }

        if (flush)
        {
            _sendSignal.Set();
        }
    }

    internal void QueueEnd(YamuxStream stream)
    {
        lock (_lock)
        {
            YamuxSendState sending = stream.Sending;
            if (sending.Closed || sending.Ended)
            {
                return;
            }

            sending.Ended = true;
            sending.Flags |= YamuxFlags.Fin;
            QueueControl(stream);
            Pump();
            ForgetIfEnded(stream);
        }

        _sendSignal.Set();
    }

    internal void QueueReset(YamuxStream stream)
    {
        lock (_lock)
        {
            YamuxSendState sending = stream.Sending;
            if (sending.Closed)
            {
                return;
            }

            // A stream of which the remote never heard ends without a word.
            if ((sending.Flags & YamuxFlags.Syn) == 0)
            {
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.WindowUpdate, YamuxFlags.Rst, stream.Id, 0));
            }

            Forget(stream);
            Silence(stream, new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset."));
            Pump();
        }

        _sendSignal.Set();
    }

    /// <summary>Whether our side of the stream has ended, so that disposing it is no interruption.</summary>
    internal bool IsEnding(YamuxStream stream)
    {
        lock (_lock)
        {
            return stream.Sending.Ended || stream.Sending.Closed;
        }
    }

    private async Task SendLoopAsync()
    {
        try
        {
            while (true)
            {
                for (int round = 1; TryTakeFilled(out RecordBuffer? records); round++)
                {
                    await _channel.Connection.WriteAsync(_channel.Seal(records), CancellationToken.None);
                    records.Clear();
                    if (round % InlineRounds == 0)
                    {
                        await Task.Yield();
                    }
                }

                lock (_lock)
                {
                    if (_filling.IsEmpty)
                    {
                        _filling.Release();
                        _sending.Release();
                        if (_closing || _error is not null)
                        {
                            break;
                        }
                    }
                }

                await _sendSignal.WaitAsync();
            }

            await _channel.Connection.CloseWriteAsync(CancellationToken.None);
            if (_error is not null)
            {
                _channel.Abort();
            }
        }
        catch (Exception exception)
        {
            Terminate(Wrap(exception), goAway: null);
        }
    }

    /// <summary>Expected ends keep their code; anything else is a fault of ours, and the host logs it as one.</summary>
    private static Libp2pException Wrap(Exception exception) => exception switch
    {
        Libp2pException known => known,
        IOException => new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The connection ended.", exception),
        _ => new Libp2pException(Libp2pErrorCode.InternalError, "The session failed.", exception),
    };

    private bool TryTakeFilled([NotNullWhen(true)] out RecordBuffer? records)
    {
        lock (_lock)
        {
            Pump();
            records = null;
            if (_filling.IsEmpty)
            {
                return false;
            }

            (_filling, _sending) = (_sending, _filling);
            records = _sending;
            return true;
        }
    }

    /// <summary>Lays out frames until nothing is queued or the buffer is full. Needs the lock.</summary>
    private void Pump()
    {
        while (_filling.Free >= YamuxHeader.Size && _urgent.TryDequeue(out YamuxHeader header))
        {
            if (header is { Type: YamuxFrameType.Ping, Flags: YamuxFlags.Ack })
            {
                _queuedPongs--;
            }

            WriteHeader(header);
        }

        while (_filling.Free >= YamuxHeader.Size && _control.TryDequeue(out YamuxStream? stream))
        {
            stream.Sending.InControlQueue = false;
            WriteControl(stream);
        }

        while (_filling.Free > YamuxHeader.Size && _data.TryDequeue(out YamuxStream? stream))
        {
            stream.Sending.InDataQueue = false;
            WriteData(stream);
        }
    }

    private void WriteControl(YamuxStream stream)
    {
        YamuxSendState sending = stream.Sending;
        if (sending.Update > 0 || sending.Flags != YamuxFlags.None)
        {
            WriteHeader(new YamuxHeader(YamuxFrameType.WindowUpdate, sending.Flags, stream.Id, sending.Update));
            (sending.Flags, sending.Update) = (YamuxFlags.None, 0);
        }
    }

    private void WriteData(YamuxStream stream)
    {
        YamuxSendState sending = stream.Sending;
        int length = (int)Math.Min(Math.Min(sending.Pending.Length, sending.Window), Math.Min(MaxFrameBody, _filling.Free - YamuxHeader.Size));
        if (length <= 0)
        {
            return;
        }

        WriteHeader(new YamuxHeader(YamuxFrameType.Data, sending.Flags, stream.Id, (uint)length));
        _filling.Write(sending.Pending.Span[..length]);
        sending.Flags = YamuxFlags.None;
        sending.Window -= length;
        sending.Pending = sending.Pending[length..];
        if (!sending.Pending.IsEmpty)
        {
            QueueData(stream);
        }
        else if (sending.Write.IsPending)
        {
            sending.Write.Complete(0);
        }
    }

    private void WriteHeader(YamuxHeader header)
    {
        Span<byte> bytes = stackalloc byte[YamuxHeader.Size];
        header.Write(bytes);
        _filling.Write(bytes);
    }

    private void QueueControl(YamuxStream stream)
    {
        if (!stream.Sending.InControlQueue && !stream.Sending.Closed)
        {
            stream.Sending.InControlQueue = true;
            _control.Enqueue(stream);
        }
    }

    private void QueueData(YamuxStream stream)
    {
        YamuxSendState sending = stream.Sending;
        if (!sending.InDataQueue && !sending.Closed && sending.Window > 0 && !sending.Pending.IsEmpty)
        {
            sending.InDataQueue = true;
            _data.Enqueue(stream);
        }
    }

    /// <summary>After a reset nothing more is sent. Needs the lock.</summary>
    private static void Silence(YamuxStream stream, Libp2pException error)
    {
        YamuxSendState sending = stream.Sending;
        (sending.Pending, sending.Flags, sending.Update) = (default, YamuxFlags.None, 0);
        if (sending.Write.IsPending)
        {
            sending.Write.Fail(YamuxStream.Rethrow(error));
        }
    }

    private void ThrowIfClosed(YamuxSendState sending)
    {
        if (_error is not null)
        {
            throw YamuxStream.Rethrow(_error);
        }

        if (sending.Closed)
        {
            throw new Libp2pException(Libp2pErrorCode.StreamReset, "The stream was reset.");
        }
    }

    /// <summary>Takes the stream out of the session. Needs the lock.</summary>
    private void Forget(YamuxStream stream)
    {
        if (stream.Sending.Closed)
        {
            return;
        }

        stream.Sending.Closed = true;
        _streams.Remove(stream.Id);
        if (stream.IsInbound)
        {
            _inboundCount--;
        }
        else
        {
            _outboundCount--;
            Acknowledge(stream);
        }

        stream.Release?.Invoke();
    }

    private void ForgetIfEnded(YamuxStream stream)
    {
        if (stream.Sending is { Ended: true, RemoteEnded: true, Closed: false })
        {
            // The end may still be queued behind others; a closed stream's control frame is written all the same.
            Forget(stream);
            stream.Finish();
        }
    }

    private void Acknowledge(YamuxStream stream)
    {
        if (!stream.IsInbound && !stream.Sending.Acknowledged)
        {
            stream.Sending.Acknowledged = true;
            _unacknowledged.Release();
        }
    }

    private Task DisposeChannelAsync()
    {
        lock (_lock)
        {
            return _disposal ??= _channel.DisposeAsync().AsTask();
        }
    }
}
