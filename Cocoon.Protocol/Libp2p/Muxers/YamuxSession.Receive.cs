using System.Runtime.CompilerServices;

namespace Cocoon.Protocol.Libp2p.Muxers;

/// <content>The receive loop: frames in place, violations end the session.</content>
internal sealed partial class YamuxSession
{
    /// <summary>Bytes after which sleeping readers are woken although more is there. Own choice: as much as one read of the socket takes.</summary>
    private const int ReleaseAfter = 256 * 1024;

    private readonly List<StreamOperation> _held = [];
    private int _receivedSinceRelease;
    private bool _flushIsDue;
    private readonly byte[] _partialHeader = new byte[YamuxHeader.Size];
    private int _partialLength;
    private YamuxHeader _current;
    private YamuxStream? _bodyStream;
    private uint _bodyLeft;

    // Token buckets, refilled by the clock.
    private long _tokensAt;
    private double _streamTokens;
    private double _pingTokens;

    private uint _pingValue;
    private long _pingSentAt;
    private bool _pingOutstanding;
    private bool _pingCounted;
    private PingTally _pings;

    /// <summary>Share of the last pings that were answered late or not at all; <c>null</c> before the first verdict.</summary>
    public double? Loss
    {
        get
        {
            lock (_lock)
            {
                return _pings.Loss;
            }
        }
    }

    /// <summary>
    /// Sends a ping, whose answer gives <see cref="RoundTrip"/>; one that is still open counts as lost, and ends the session after
    /// <see cref="Libp2pLimits.KeepAliveInterval"/>.
    /// </summary>
    public void KeepAlive()
    {
        bool isDead = false;
        lock (_lock)
        {
            if (_closing || _error is not null)
            {
                return;
            }

            if (_pingOutstanding)
            {
                TimeSpan waited = Time.GetElapsedTime(_pingSentAt);
                isDead = waited >= Limits.KeepAliveInterval;
                if (waited >= Limits.PingTimeout)
                {
                    _pings.Add(isLost: true);
                    _pingCounted = true;
                }
            }
            else
            {
                (_pingOutstanding, _pingCounted) = (true, false);
                _pingSentAt = Time.GetTimestamp();
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.Ping, YamuxFlags.Syn, 0, ++_pingValue));
                Pump();
            }
        }

        if (isDead)
        {
            Terminate(new Libp2pException(Libp2pErrorCode.TimedOut, "The connection does not answer."), goAway: null);
            return;
        }

        _sendSignal.Set();
    }

    /// <summary>Resets streams whose owner is gone and whose remote does not end them.</summary>
    public void Sweep()
    {
        foreach (YamuxStream stream in GetStreams())
        {
            if (stream.IsLingering && Time.GetElapsedTime(stream.LastActivity) >= Limits.StreamLinger)
            {
                stream.Reset();
            }
        }
    }

    private async Task ReceiveLoopAsync()
    {
        try
        {
            int read;
            do
            {
                while (_channel.TryReadRecord(out ReadOnlyMemory<byte> record))
                {
                    _receivedSinceRelease += record.Length;
                    Process(record.Span);
                }

                // Readers are woken, and answers sent, when there is nothing left to do here, not for each frame: waking costs more than
                // copying one, and window updates of many streams fit into one record.
                ValueTask readable = _channel.WaitAsync(CancellationToken.None);
                if (readable.IsCompleted && _receivedSinceRelease >= ReleaseAfter)
                {
                    Release();
                }

                await new Lull(readable, this);
                ValueTask<int> receiving = _channel.ReceiveAsync(CancellationToken.None);
                if (!receiving.IsCompleted)
                {
                    Release();
                }

                read = await receiving;
            }
            while (_channel.Received(read));

            Terminate(new Libp2pException(Libp2pErrorCode.ConnectionClosed, "The remote closed the connection."), goAway: null);
        }
        catch (Libp2pException exception) when (exception.Code is Libp2pErrorCode.MuxerViolation or Libp2pErrorCode.ResourceLimit)
        {
            Terminate(exception, YamuxGoAway.ProtocolError);
        }
        catch (IOException exception)
        {
            Terminate(Wrap(exception), goAway: null);
        }
        catch (Exception exception)
        {
            Terminate(Wrap(exception), YamuxGoAway.InternalError);
        }
        finally
        {
            Release();
        }
    }

    private void Release() => ReleaseAllButLast()?.Release();

    /// <summary>Sends what is due and wakes the held readers, but for the last one, which the caller wakes.</summary>
    private StreamOperation? ReleaseAllButLast()
    {
        _receivedSinceRelease = 0;
        if (_flushIsDue)
        {
            _flushIsDue = false;
            _sendSignal.Set();
        }

        if (_held.Count == 0)
        {
            return null;
        }

        StreamOperation last = _held[^1];
        for (int i = 0; i < _held.Count - 1; i++)
        {
            _held[i].Release();
        }

        _held.Clear();
        return last;
    }

    /// <summary>Waits for more to receive, and lets the last of the held readers go on upon the thread that would have nothing else to do.</summary>
    /// <remarks>
    /// The loop is registered with the connection before: it goes on elsewhere as soon as bytes come, however long the reader takes. Waking
    /// another thread for the reader costs more than what most readers do.
    /// </remarks>
    private readonly struct Lull(ValueTask readable, YamuxSession session) : ICriticalNotifyCompletion
    {
        private readonly ValueTaskAwaiter _readable = readable.GetAwaiter();

        public bool IsCompleted => _readable.IsCompleted;

        public Lull GetAwaiter() => this;

        public void GetResult() => _readable.GetResult();

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation)
        {
            StreamOperation? reader = session.ReleaseAllButLast();
            _readable.UnsafeOnCompleted(continuation);
            reader?.GoOn();
        }
    }

    internal void Process(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_bodyLeft > 0)
            {
                int count = (int)Math.Min(_bodyLeft, (uint)bytes.Length);
                ReceiveBody(bytes[..count]);
                bytes = bytes[count..];
            }
            else if (_partialLength == 0 && bytes.Length >= YamuxHeader.Size)
            {
                ReceiveHeader(YamuxHeader.Read(bytes[..YamuxHeader.Size]));
                bytes = bytes[YamuxHeader.Size..];
            }
            else
            {
                int count = Math.Min(YamuxHeader.Size - _partialLength, bytes.Length);
                bytes[..count].CopyTo(_partialHeader.AsSpan(_partialLength));
                _partialLength += count;
                bytes = bytes[count..];
                if (_partialLength == YamuxHeader.Size)
                {
                    _partialLength = 0;
                    ReceiveHeader(YamuxHeader.Read(_partialHeader));
                }
            }
        }
    }

    private void ReceiveHeader(YamuxHeader header)
    {
        switch (header.Type)
        {
            case YamuxFrameType.Ping:
                ReceivePing(header);
                break;
            case YamuxFrameType.GoAway:
                ReceiveGoAway((YamuxGoAway)header.Length);
                break;
            default:
                ReceiveStreamFrame(header);
                break;
        }
    }

    private void ReceiveStreamFrame(YamuxHeader header)
    {
        YamuxStream? stream = FindOrAccept(header);
        bool isData = header.Type == YamuxFrameType.Data;
        if (stream is not null && !isData && (header.Flags & YamuxFlags.Rst) == 0)
        {
            // The length of a reset is an error code in newer implementations.
            OpenWindow(stream, header.Length);
        }

        if (stream is not null && isData && !stream.HasCredit(header.Length))
        {
            throw Violation("A frame is larger than the stream's window.");
        }

        _current = header;
        _bodyStream = stream;
        _bodyLeft = isData ? header.Length : 0;
        if (_bodyLeft == 0)
        {
            ReceiveFlags();
        }
    }

    private void ReceiveBody(ReadOnlySpan<byte> bytes)
    {
        _bodyLeft -= (uint)bytes.Length;
        if (_bodyStream is not null)
        {
            bool isTaken = _bodyStream.Receive(bytes, out StreamOperation? reader, out int update);
            if (reader is not null)
            {
                _held.Add(reader);
            }

            if (update > 0)
            {
                QueueUpdate(_bodyStream, (uint)update, flush: false);
                _flushIsDue = true;
            }

            if (!isTaken)
            {
                // No memory for this stream: the smallest thing is closed, the rest of the frame is drained.
                _bodyStream.Reset();
                _bodyStream = null;
            }
        }

        if (_bodyLeft == 0)
        {
            ReceiveFlags();
        }
    }

    /// <summary>FIN and RST take effect after the body they ride on.</summary>
    private void ReceiveFlags()
    {
        if (_bodyStream is not { } stream)
        {
            return;
        }

        _bodyStream = null;
        if ((_current.Flags & YamuxFlags.Rst) != 0)
        {
            Libp2pException error = new(Libp2pErrorCode.StreamReset, "The remote reset the stream.");
            lock (_lock)
            {
                Forget(stream);
                Silence(stream, error);
            }

            stream.Fail(error);
        }
        else if ((_current.Flags & YamuxFlags.Fin) != 0)
        {
            stream.ReceiveEnd();
            lock (_lock)
            {
                stream.Sending.RemoteEnded = true;
                ForgetIfEnded(stream);
            }
        }
    }

    private YamuxStream? FindOrAccept(YamuxHeader header)
    {
        bool isSyn = (header.Flags & YamuxFlags.Syn) != 0;
        YamuxStream? stream;
        lock (_lock)
        {
            if (_streams.TryGetValue(header.StreamId, out stream))
            {
                if (isSyn)
                {
                    throw Violation("A stream was opened twice.");
                }

                if ((header.Flags & YamuxFlags.Ack) != 0)
                {
                    Acknowledge(stream);
                }

                return stream;
            }

            if (!isSyn)
            {
                // Normal after a reset that crossed with the remote's frames.
                return null;
            }

            if (header.StreamId == 0 || (header.StreamId % 2 == 1) == _isClient)
            {
                throw Violation("A stream was opened with an id of our side.");
            }

            if (_urgent.Count + _control.Count >= MaxQueuedControl)
            {
                throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "The remote opens streams and does not read.");
            }

            Action? release = null;
            if (_closing || _error is not null || _inboundCount >= Limits.InboundStreams || !TryTakeToken(ref _streamTokens)
                || (_admit is not null && (release = _admit()) is null))
            {
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.WindowUpdate, YamuxFlags.Rst, header.StreamId, 0));
                Pump();
                stream = null;
            }
            else
            {
                stream = new YamuxStream(this, header.StreamId, isInbound: true) { Release = release };
                _inboundCount++;
                _streams.Add(stream.Id, stream);
            }
        }

        if (stream is null)
        {
            _flushIsDue = true;
        }
        else
        {
            _accept(stream);
        }

        return stream;
    }

    private void OpenWindow(YamuxStream stream, uint delta)
    {
        lock (_lock)
        {
            stream.Sending.Window += delta;
            if (stream.Sending.Window > uint.MaxValue)
            {
                throw Violation("A stream's window overflows.");
            }

            QueueData(stream);
            Pump();
        }

        _flushIsDue = true;
    }

    private void ReceivePing(YamuxHeader header)
    {
        bool isRequest = (header.Flags & YamuxFlags.Syn) != 0;
        lock (_lock)
        {
            if (isRequest)
            {
                if (_queuedPongs >= Limits.QueuedPings || !TryTakeToken(ref _pingTokens))
                {
                    throw new Libp2pException(Libp2pErrorCode.ResourceLimit, "The remote floods pings.");
                }

                _queuedPongs++;
                _urgent.Enqueue(new YamuxHeader(YamuxFrameType.Ping, YamuxFlags.Ack, 0, header.Length));
                Pump();
            }
            else if (_pingOutstanding && header.Length == _pingValue)
            {
                _pingOutstanding = false;
                TimeSpan roundTrip = Time.GetElapsedTime(_pingSentAt);
                if (!_pingCounted)
                {
                    _pings.Add(isLost: roundTrip >= Limits.PingTimeout);
                }

                AddRoundTrip(roundTrip);
            }
            else
            {
                throw Violation("A ping was answered that was not sent.");
            }
        }

        _flushIsDue |= isRequest;
    }

    private void ReceiveGoAway(YamuxGoAway code)
    {
        if (code != YamuxGoAway.Normal)
        {
            throw new Libp2pException(Libp2pErrorCode.ConnectionClosed, $"The remote ended the session with code {(uint)code}.");
        }

        lock (_lock)
        {
            _remoteGoneAway = true;
        }
    }

    /// <summary>Takes one of the tokens that the clock refills. Needs the lock.</summary>
    private bool TryTakeToken(ref double tokens)
    {
        long now = Time.GetTimestamp();
        double seconds = Time.GetElapsedTime(_tokensAt, now).TotalSeconds;
        _tokensAt = now;
        _streamTokens = Math.Min(Limits.InboundStreamBurst, _streamTokens + (seconds * Limits.InboundStreamsPerSecond));
        _pingTokens = Math.Min(Limits.PingsPerSecond, _pingTokens + (seconds * Limits.PingsPerSecond));
        if (tokens < 1)
        {
            return false;
        }

        tokens--;
        return true;
    }

    private static Libp2pException Violation(string message) => new(Libp2pErrorCode.MuxerViolation, message);
}
