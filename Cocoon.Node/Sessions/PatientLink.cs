using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>A run's side of its session's link: every wait has its limit, and a provider that is lost is told in the application's words.</summary>
internal sealed class PatientLink : IDisposable
{
    /// <summary>For a provider's word after a cancel: its engine ends a batch first.</summary>
    private static readonly TimeSpan CancelWait = TimeSpan.FromSeconds(3);

    /// <summary>For a frame that should have come before the one that did: half a second is five frames of steady shape.</summary>
    private static readonly TimeSpan LateFrameWait = TimeSpan.FromMilliseconds(500);

    private const int MaxHeardAfterFault = 256 << 10;

    /// <summary>Bytes on the way to a client that has left, before its provider's last word.</summary>
    private const int MaxHeardAfterCancel = 1 << 20;

    private readonly OpenedSession _session;
    private readonly RunPayment _payment;
    private readonly TimeProvider _time;
    private readonly CancellationToken _leaving;

    /// <summary>Runs out while the provider is waited for; one for all messages, since there are many.</summary>
    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _hearing;

    /// <param name="session">Whose link it is.</param>
    /// <param name="payment">Knows what is at risk when the provider is lost.</param>
    /// <param name="time">Measures the waits.</param>
    /// <param name="cancellationToken">The application left.</param>
    public PatientLink(OpenedSession session, RunPayment payment, TimeProvider time, CancellationToken cancellationToken)
    {
        _session = session;
        _payment = payment;
        _time = time;
        _leaving = cancellationToken;
        _silence = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _hearing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _silence.Token);
    }

    /// <summary>A request can be larger than what a stream takes unread, so writing it has a limit too.</summary>
    /// <exception cref="InferenceException">The provider is lost.</exception>
    public async Task WriteAsync(Request request, TimeSpan wait)
    {
        try
        {
            ValueTask writing = _session.Link.WriteAsync(new ClientMessage { Request = request }, _hearing.Token);
            if (!writing.IsCompleted)
            {
                _silence.CancelAfter(wait);
            }

            await writing;
            _silence.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        catch (IOException exception)
        {
            throw Lost("the connection failed", exception);
        }
        catch (OperationCanceledException) when (!_leaving.IsCancellationRequested)
        {
            throw Lost($"it did not take the request within {wait.TotalSeconds:0} s");
        }
    }

    /// <summary>The next message; <c>null</c> when the provider closed its side.</summary>
    /// <param name="wait">At most.</param>
    /// <param name="isWhole">The answer is complete and paid: then a loss is only the end of the _session.</param>
    /// <exception cref="InferenceException">The provider is lost.</exception>
    public async Task<ProviderMessage?> ReadAsync(TimeSpan wait, bool isWhole)
    {
        try
        {
            ValueTask<ProviderMessage?> reading = _session.Link.ReadProviderMessageAsync(_hearing.Token);
            if (!reading.IsCompleted)
            {
                _silence.CancelAfter(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
            }

            ProviderMessage? message = await reading;
            _silence.CancelAfter(Timeout.InfiniteTimeSpan);
            return message;
        }
        catch (OperationCanceledException) when (!_leaving.IsCancellationRequested)
        {
            return isWhole ? null : throw Lost("the answer does not go on");
        }
        catch (Exception exception) when (exception is IOException or Libp2pException)
        {
            return isWhole ? null : throw Lost("the connection broke", exception);
        }
    }

    public InferenceException Lost(string why, Exception? inner = null) => SessionFailures.Lost(_session.Offer, why, inner, _payment.AtRisk);

    /// <summary>
    /// A frame that is missing may have been moved rather than dropped: it comes a moment later then. Nothing that comes now is used; only
    /// the word for it depends on it.
    /// </summary>
    public async Task<SessionException> TellApartAsync(SessionException fault, AnswerReader reader)
    {
        if (fault.Code != SessionErrorCode.Dropped)
        {
            return fault;
        }

        using CancellationTokenSource brief = new(LateFrameWait, _time);
        try
        {
            int heard = 0;
            while (heard < MaxHeardAfterFault && await _session.Link.ReadProviderMessageAsync(brief.Token) is { } message)
            {
                heard += message.CalculateSize();
                if (message.BodyCase == ProviderMessage.BodyOneofCase.Sealed && Refusal(reader, message.Sealed.Data.Span) is { Code: SessionErrorCode.Reordered } moved)
                {
                    return moved;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or Libp2pException or OperationCanceledException)
        {
            // It did not come.
        }

        return fault;
    }

    /// <summary>Tells the provider to stop. Its enclave's settlement then says to the nanoton what was served, so that nothing rests on the provider's word.</summary>
    /// <remarks>
    /// Only where the application left or the enclave refused the request: until then the provider counts the request as one that runs, and
    /// the next one would have to pay ahead for both. A provider that did wrong or is lost is not listened to any more.
    /// </remarks>
    /// <param name="isRefused">The enclave itself ended the answer with an error.</param>
    public async Task CancelAsync(bool isRefused)
    {
        using CancellationTokenSource brief = new(CancelWait, _time);
        try
        {
            await _session.Link.WriteAsync(new ClientMessage { Cancel = new Cancel() }, brief.Token);
            int heard = 0;
            bool listens = isRefused || (_leaving.IsCancellationRequested && _payment.MayOweMore);
            while (listens && heard < MaxHeardAfterCancel && await _session.Link.ReadProviderMessageAsync(brief.Token) is { } message)
            {
                heard += message.CalculateSize();
                if (message.BodyCase == ProviderMessage.BodyOneofCase.Settlement)
                {
                    _payment.Settle(message.Settlement);
                    break;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or Libp2pException or OperationCanceledException or ObjectDisposedException)
        {
            // Hanging up says the same.
        }

        _session.Link.Stream.Reset();
    }

    public void Dispose()
    {
        _hearing.Dispose();
        _silence.Dispose();
    }

    private static SessionException? Refusal(AnswerReader reader, ReadOnlySpan<byte> chunk)
    {
        try
        {
            reader.Read(chunk);
            return null;
        }
        catch (SessionException refused)
        {
            return refused;
        }
    }
}
