using System.Runtime.CompilerServices;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>One session on an <see cref="EnclaveConnection"/>.</summary>
internal sealed class EnclaveSession(EnclaveConnection connection, ulong handle) : IEnclaveSession
{
    private const long MaxWaiting = 4 << 20;

    private readonly TaskCompletionSource<SessionOpened> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private EnclaveEvents _events = new();
    private long _waiting;
    private State _state;
    private SessionOpened? _welcome;

    private enum State
    {
        /// <summary>A request runs, or none was started yet.</summary>
        Live = 0,

        /// <summary>The last request came to its end; another may be started.</summary>
        Idle = 1,

        /// <summary>Refused, lost or disposed of.</summary>
        Over = 2,
    }

    public ReadOnlyMemory<byte> SessionId => _welcome!.SessionId.Memory;

    public Welcome Welcome => _welcome!.Welcome;

    public async Task<EnclaveSession> WaitOpenedAsync(CancellationToken cancellationToken)
    {
        _welcome = await _opened.Task.WaitAsync(cancellationToken);
        return this;
    }

    public ValueTask StartAsync(
        ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> sealedRequest, ulong upToDue, ReadOnlyMemory<byte> statementDigest, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_state == State.Idle)
            {
                _state = State.Live;
                _waiting = 0;
                _events = new EnclaveEvents();
            }
        }

        return PostAsync(
            new HostFrame
            {
                StartRequest = new StartRequest
                {
                    Handle = handle,
                    Header = UnsafeByteOperations.UnsafeWrap(header),
                    Sealed = UnsafeByteOperations.UnsafeWrap(sealedRequest),
                    UpToDue = upToDue,
                    StatementDigest = UnsafeByteOperations.UnsafeWrap(statementDigest),
                    CoversDue = statementDigest.IsEmpty ? 0 : upToDue,
                },
            },
            cancellationToken);
    }

    public ValueTask AllowAsync(ulong upToDue, CancellationToken cancellationToken) =>
        PostAsync(new HostFrame { Allow = new Allow { Handle = handle, UpToDue = upToDue } }, cancellationToken);

    public ValueTask ReportVoucherAsync(ReadOnlyMemory<byte> statementDigest, ulong coversDue, CancellationToken cancellationToken) => PostAsync(
        new HostFrame
        {
            ReportVoucher = new ReportVoucher
            {
                Handle = handle, StatementDigest = ByteString.CopyFrom(statementDigest.Span), CoversDue = coversDue,
            },
        },
        cancellationToken);

    public ValueTask CancelAsync(CancellationToken cancellationToken) =>
        PostAsync(new HostFrame { CancelSession = new CancelSession { Handle = handle } }, cancellationToken);

    public async IAsyncEnumerable<EnclaveEvent> ReadEventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        EnclaveEvents events;
        lock (_lock)
        {
            events = _events;
        }

        await foreach (EnclaveEvent happened in events.ReadAllAsync(cancellationToken))
        {
            Interlocked.Add(ref _waiting, -Size(happened));
            yield return happened;
        }
    }

    public async ValueTask DisposeAsync()
    {
        connection.Forget(handle);
        if (TryEnd(State.Over, last: null))
        {
            _events.WakeElsewhere();
            await connection.PostAsync(new HostFrame { CloseSession = new CloseSession { Handle = handle } }, CancellationToken.None);
        }
    }

    /// <summary>Called by the pipe's reader; never waits.</summary>
    internal void Opened(SessionOpened opened) => _opened.TrySetResult(opened);

    /// <summary>Never waits, and wakes nobody: the caller does that for all that it delivers together.</summary>
    /// <returns>What to wake.</returns>
    internal EnclaveEvents Deliver(EnclaveEvent happened)
    {
        switch (happened)
        {
            case EnclaveEvent.Ended:
                TryEnd(State.Idle, happened);
                return _events;
            case EnclaveEvent.Refused refused:
                _opened.TrySetException(new EnclaveException(EnclaveErrorCode.Refused, $"the enclave refused the session: {refused.Reason}"));
                break;
            case EnclaveEvent.Lost lost:
                _opened.TrySetException(new EnclaveException(EnclaveErrorCode.Lost, $"the enclave is gone: {lost.Reason}"));
                break;
            default:
                Enqueue(happened);
                return _events;
        }

        connection.Forget(handle);
        TryEnd(State.Over, happened);
        return _events;
    }

    private void Enqueue(EnclaveEvent happened)
    {
        bool isTooMuch;
        lock (_lock)
        {
            if (_state != State.Live)
            {
                return;
            }

            // The pipe's reader must never wait for one client.
            isTooMuch = Interlocked.Add(ref _waiting, Size(happened)) > MaxWaiting;
            if (!isTooMuch)
            {
                _events.Add(happened);
            }
        }

        if (isTooMuch)
        {
            connection.Abandon(handle, this);
        }
    }

    private ValueTask PostAsync(HostFrame frame, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_state != State.Live)
            {
                return ValueTask.CompletedTask;
            }
        }

        return connection.PostAsync(frame, cancellationToken);
    }

    /// <returns>Whether the session was not over yet.</returns>
    private bool TryEnd(State state, EnclaveEvent? last)
    {
        lock (_lock)
        {
            if (_state == State.Over)
            {
                return false;
            }

            if (last is not null)
            {
                // Between two requests nobody reads: the next one is to find it.
                _events = _state == State.Idle ? new EnclaveEvents() : _events;
                _events.Add(last);
            }

            _state = state;
            _events.Complete();
            return true;
        }
    }

    private static long Size(EnclaveEvent happened) => happened is EnclaveEvent.Output output ? output.Sealed.Length + 64 : 64;
}
