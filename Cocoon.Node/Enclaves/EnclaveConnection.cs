using System.Collections.Concurrent;
using Cocoon.Protocol.Enclaves;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>The host's end of the pipe to one enclave process.</summary>
/// <remarks>The reader never waits for anybody but the pipe: a slow session loses its place, the others go on.</remarks>
internal sealed class EnclaveConnection : IAsyncDisposable
{
    private readonly ConcurrentDictionary<ulong, EnclaveSession> _sessions = new();
    private readonly ConcurrentQueue<TaskCompletionSource<SelfTestReport>> _selfTests = new();
    private readonly TaskCompletionSource<Ready> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private readonly PipeFrameReader<EnclaveFrame> _reader;
    private readonly PipeFrameWriter _writer;
    private readonly Action<EnclaveFrame> _notify;
    private readonly int _maxSessions;

    /// <summary>Where the frames that came together have added something, in that order; the reader's own.</summary>
    private readonly List<EnclaveEvents> _told = [];

    /// <summary>The thread that reads the pipe, while it runs somebody else's code.</summary>
    private int _lentThread;
    private Task _closings = Task.CompletedTask;
    private long _handles;
    private bool _isClosed;

    /// <param name="notify">Told of Log, Fault, Load and KeysRotated frames, on the reader; returns quickly.</param>
    /// <param name="isProcess">The streams are a child's pipes: reading gets a thread of its own, which ends with the child.</param>
    public EnclaveConnection(Stream fromEnclave, Stream toEnclave, int maxSessions, Action<EnclaveFrame> notify, bool isProcess = false)
    {
        _reader = new PipeFrameReader<EnclaveFrame>(fromEnclave, EnclaveFrame.Parser, blocks: isProcess);
        _writer = new PipeFrameWriter(toEnclave);
        _maxSessions = maxSessions;
        _notify = notify;

        // The constructor's caller must not run the loop.
        Completion = Task.Factory.StartNew(
            ReadAsync, CancellationToken.None, isProcess ? TaskCreationOptions.LongRunning : TaskCreationOptions.None, TaskScheduler.Default).Unwrap();
    }

    /// <summary>Ends when the enclave's end of the pipe closed or broke the protocol; the result says why, for people.</summary>
    public Task<string> Completion { get; }

    /// <summary>The Ready frame.</summary>
    /// <exception cref="EnclaveException">The enclave ended before it was ready.</exception>
    public Task<Ready> Ready => _ready.Task;

    /// <summary>Set before <see cref="Ready"/> completes.</summary>
    public Protections Protections { get; private set; } = new();

    public string? Fault { get; private set; }

    public int Sessions => _sessions.Count;

    public async Task<IEnclaveSession> OpenAsync(ReadOnlyMemory<byte> hello, SignedQuote quote, CancellationToken cancellationToken)
    {
        if (_sessions.Count >= _maxSessions)
        {
            throw new EnclaveException(EnclaveErrorCode.TooManySessions, "too many sessions");
        }

        ulong handle = (ulong)Interlocked.Increment(ref _handles);
        EnclaveSession session = new(this, handle);
        _sessions[handle] = session;
        if (Volatile.Read(ref _isClosed))
        {
            session.Deliver(new EnclaveEvent.Lost("closed")).WakeElsewhere();
        }

        try
        {
            await PostAsync(
                new HostFrame { OpenSession = new OpenSession { Handle = handle, Hello = UnsafeByteOperations.UnsafeWrap(hello), Quote = quote } },
                cancellationToken);
            return await session.WaitOpenedAsync(cancellationToken);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    public async Task<SelfTestReport> SelfTestAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource<SelfTestReport> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _selfTests.Enqueue(done);
        if (Volatile.Read(ref _isClosed))
        {
            done.TrySetException(new EnclaveException(EnclaveErrorCode.Lost, "the enclave is gone"));
        }

        await PostAsync(new HostFrame { SelfTest = new SelfTest() }, cancellationToken);
        return await done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sends a frame; does nothing when the enclave is gone, which every session hears of by itself.</summary>
    public async ValueTask PostAsync(HostFrame frame, CancellationToken cancellationToken)
    {
        try
        {
            if (Volatile.Read(ref _lentThread) == Environment.CurrentManagedThreadId)
            {
                // The enclave may be waiting for this very thread to read before it reads anything itself: another one writes.
                await Task.Run(() => _writer.WriteAsync(frame, cancellationToken).AsTask(), CancellationToken.None);
            }
            else
            {
                await _writer.WriteAsync(frame, cancellationToken);
            }
        }
        catch (IOException)
        {
            // The reader ends with the pipe.
        }
        catch (ObjectDisposedException)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Completion;
        await _closings;
        _stop.Dispose();
    }

    internal void Forget(ulong handle) => _sessions.TryRemove(handle, out _);

    /// <summary>The reader of this session is too slow: it loses the session, and the enclave stops it. On the pipe's reader.</summary>
    /// <remarks>The enclave may be waiting for this very thread to read before it reads anything itself: another one writes.</remarks>
    internal void Abandon(ulong handle, EnclaveSession session)
    {
        Deliver(session, new EnclaveEvent.Lost("stalled"));
        _closings = Task.WhenAll(_closings, Task.Run(() => CloseAsync(handle)));
    }

    private async Task CloseAsync(ulong handle) =>
        await PostAsync(new HostFrame { CloseSession = new CloseSession { Handle = handle } }, CancellationToken.None);

    private async Task<string> ReadAsync()
    {
        string why = "the enclave closed the pipe";
        try
        {
            while (await _reader.ReadAsync(_stop.Token) is { } frame)
            {
                Dispatch(frame);
                if (!_reader.HasFrame)
                {
                    WakeTold();
                }
            }
        }
        catch (OperationCanceledException)
        {
            why = "stopped";
        }
        catch (Exception e) when (e is PipeException or IOException or ObjectDisposedException)
        {
            why = "pipe: " + e.Message;
        }

        why = Fault ?? why;
        WakeTold();
        Volatile.Write(ref _isClosed, true);
        EnclaveException lost = new(EnclaveErrorCode.Lost, why);
        _ready.TrySetException(lost);
        _ = _ready.Task.Exception;
        while (_selfTests.TryDequeue(out TaskCompletionSource<SelfTestReport>? test))
        {
            test.TrySetException(lost);
        }

        foreach (EnclaveSession session in _sessions.Values)
        {
            session.Deliver(new EnclaveEvent.Lost(why)).WakeElsewhere();
        }

        return why;
    }

    /// <summary>
    /// Who reads the sessions goes on: the last one on this thread, which would only wait for the enclave now, the others beside it.
    /// Waking a thread of the pool for every token costs as much as relaying it.
    /// </summary>
    private void WakeTold()
    {
        for (int i = 0; i < _told.Count; i++)
        {
            EnclaveEvents events = _told[i];
            events.IsTold = false;
            if (i < _told.Count - 1)
            {
                events.WakeElsewhere();
                continue;
            }

            Volatile.Write(ref _lentThread, Environment.CurrentManagedThreadId);
            events.Wake();
            Volatile.Write(ref _lentThread, 0);
        }

        _told.Clear();
    }

    private void Dispatch(EnclaveFrame frame)
    {
        switch (frame.BodyCase)
        {
            case EnclaveFrame.BodyOneofCase.Output:
                Deliver(frame.Output.Handle, new EnclaveEvent.Output(frame.Output.Sealed.Memory));
                break;
            case EnclaveFrame.BodyOneofCase.Metered:
                Deliver(frame.Metered.Handle, new EnclaveEvent.Metered(frame.Metered.DueNanoton, frame.Metered.Blocked, frame.Metered.Final));
                break;
            case EnclaveFrame.BodyOneofCase.SessionOpened:
                _sessions.GetValueOrDefault(frame.SessionOpened.Handle)?.Opened(frame.SessionOpened);
                break;
            case EnclaveFrame.BodyOneofCase.SessionRefused:
                Deliver(frame.SessionRefused.Handle, new EnclaveEvent.Refused(frame.SessionRefused.Reason));
                break;
            case EnclaveFrame.BodyOneofCase.SessionEnded:
                SessionEnded ended = frame.SessionEnded;
                Deliver(ended.Handle, new EnclaveEvent.Ended(ended.Outcome, ended.DueNanoton, ended.Settlement));
                break;
            case EnclaveFrame.BodyOneofCase.SelfTestReport:
                if (_selfTests.TryDequeue(out TaskCompletionSource<SelfTestReport>? test))
                {
                    test.TrySetResult(frame.SelfTestReport);
                }

                break;
            case EnclaveFrame.BodyOneofCase.Protections:
                Protections = frame.Protections;
                break;
            case EnclaveFrame.BodyOneofCase.Ready:
                _ready.TrySetResult(frame.Ready);
                break;
            case EnclaveFrame.BodyOneofCase.Fault:
                Fault = $"{frame.Fault.Code}: {frame.Fault.Message}";
                _notify(frame);
                break;
            default:
                _notify(frame);
                break;
        }
    }

    private void Deliver(ulong handle, EnclaveEvent happened)
    {
        if (_sessions.TryGetValue(handle, out EnclaveSession? session))
        {
            Deliver(session, happened);
        }
    }

    private void Deliver(EnclaveSession session, EnclaveEvent happened)
    {
        EnclaveEvents events = session.Deliver(happened);
        if (!events.IsTold)
        {
            events.IsTold = true;
            _told.Add(events);
        }
    }
}
