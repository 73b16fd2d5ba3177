using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Enclaves;

/// <summary>One session on an <see cref="EnclaveConnection"/>.</summary>
internal sealed class EnclaveSession(EnclaveConnection connection, ulong handle) : IEnclaveSession
{
    private const long MaxWaiting = 4 << 20;

    private readonly TaskCompletionSource<SessionOpened> _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Bounded by bytes in Deliver: the pipe's reader must never wait for one client.
    private readonly Channel<EnclaveEvent> _events = Channel.CreateUnbounded<EnclaveEvent>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Lock _lock = new();
    private long _waiting;
    private bool _hasEnded;
    private SessionOpened? _welcome;

    public ReadOnlyMemory<byte> SessionId => _welcome!.SessionId.Memory;

    public Welcome Welcome => _welcome!.Welcome;

    public async Task<EnclaveSession> WaitOpenedAsync(CancellationToken cancellationToken)
    {
        _welcome = await _opened.Task.WaitAsync(cancellationToken);
        return this;
    }

    public ValueTask StartAsync(
        ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> sealedRequest, ulong upToDue, CancellationToken cancellationToken) => PostAsync(
        new HostFrame
        {
            StartRequest = new StartRequest
            {
                Handle = handle,
                Header = UnsafeByteOperations.UnsafeWrap(header),
                Sealed = UnsafeByteOperations.UnsafeWrap(sealedRequest),
                UpToDue = upToDue,
            },
        },
        cancellationToken);

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
        await foreach (EnclaveEvent happened in _events.Reader.ReadAllAsync(cancellationToken))
        {
            Interlocked.Add(ref _waiting, -Size(happened));
            yield return happened;
        }
    }

    public async ValueTask DisposeAsync()
    {
        connection.Forget(handle);
        if (End(null))
        {
            await connection.PostAsync(new HostFrame { CloseSession = new CloseSession { Handle = handle } }, CancellationToken.None);
        }
    }

    /// <summary>Called by the pipe's reader; never waits.</summary>
    internal void Opened(SessionOpened opened) => _opened.TrySetResult(opened);

    /// <inheritdoc cref="Opened"/>
    internal void Deliver(EnclaveEvent happened)
    {
        if (happened is EnclaveEvent.Refused refused)
        {
            _opened.TrySetException(new EnclaveException(EnclaveErrorCode.Refused, $"the enclave refused the session: {refused.Reason}"));
        }

        if (happened is EnclaveEvent.Lost lost)
        {
            _opened.TrySetException(new EnclaveException(EnclaveErrorCode.Lost, $"the enclave is gone: {lost.Reason}"));
        }

        if (happened is EnclaveEvent.Ended or EnclaveEvent.Refused or EnclaveEvent.Lost)
        {
            connection.Forget(handle);
            End(happened);
            return;
        }

        bool isTooMuch;
        lock (_lock)
        {
            if (_hasEnded)
            {
                return;
            }

            isTooMuch = Interlocked.Add(ref _waiting, Size(happened)) > MaxWaiting;
            if (!isTooMuch)
            {
                _events.Writer.TryWrite(happened);
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
            if (_hasEnded)
            {
                return ValueTask.CompletedTask;
            }
        }

        return connection.PostAsync(frame, cancellationToken);
    }

    /// <summary><c>true</c> for the first end.</summary>
    private bool End(EnclaveEvent? last)
    {
        lock (_lock)
        {
            if (_hasEnded)
            {
                return false;
            }

            _hasEnded = true;
            if (last is not null)
            {
                _events.Writer.TryWrite(last);
            }

            _events.Writer.TryComplete();
            return true;
        }
    }

    private static long Size(EnclaveEvent happened) => happened is EnclaveEvent.Output output ? output.Sealed.Length + 64 : 64;
}
