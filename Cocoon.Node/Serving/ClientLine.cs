using Cocoon.Node.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Serving;

/// <summary>What a provider says to one client. A client that keeps its stream and does not read loses it.</summary>
/// <remarks>One caller of <see cref="TrySendAsync"/> at a time; declines and acks may come between.</remarks>
internal sealed class ClientLine : IDisposable
{
    private static readonly TimeSpan SendWait = TimeSpan.FromSeconds(30);

    private readonly SessionLink _link;
    private readonly ServingMetrics _metrics;
    private readonly CancellationTokenSource _tooSlow;
    private readonly CancellationTokenSource _sending;

    public ClientLine(SessionLink link, ServingMetrics metrics, TimeProvider time, CancellationToken cancellationToken)
    {
        _link = link;
        _metrics = metrics;
        _tooSlow = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _sending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _tooSlow.Token);
    }

    public ValueTask SendAsync(ProviderMessage message, CancellationToken cancellationToken) => _link.WriteAsync(message, cancellationToken);

    /// <summary>Sends the messages as one write and forgets them.</summary>
    /// <returns><c>false</c> when the client is gone, or took nothing for 30 s; its stream is reset then.</returns>
    public async ValueTask<bool> TrySendAsync(List<IMessage> messages)
    {
        if (messages.Count == 0)
        {
            return true;
        }

        try
        {
            ValueTask sending = _link.WriteAsync(messages, _sending.Token);
            if (!sending.IsCompleted)
            {
                _tooSlow.CancelAfter(SendWait);
            }

            await sending;
            _tooSlow.CancelAfter(Timeout.InfiniteTimeSpan);
            return true;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            Reset();
            return false;
        }
        finally
        {
            messages.Clear();
        }
    }

    public async Task DeclineAsync(DeclineReason reason, string detail, CancellationToken cancellationToken, ulong highestTotal = 0, ulong carriedDue = 0)
    {
        _metrics.SessionDeclined(reason);
        await SendAsync(Declined(reason, detail, highestTotal, carriedDue: carriedDue), cancellationToken);
    }

    public void Reset() => _link.Stream.Reset();

    public void Dispose()
    {
        _sending.Dispose();
        _tooSlow.Dispose();
    }

    internal static ProviderMessage Declined(DeclineReason reason, string detail, ulong highestTotal, uint retryAfterMs = 0, ulong carriedDue = 0) => new()
    {
        Declined = new Declined { Reason = reason, Detail = detail, HighestTotal = highestTotal, RetryAfterMs = retryAfterMs, CarriedDue = carriedDue },
    };
}
