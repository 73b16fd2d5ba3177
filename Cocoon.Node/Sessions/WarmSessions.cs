using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Sessions;

/// <summary>
/// One appraised session per provider in use, opened ahead, so that the next request costs one round trip. It names no payer and no
/// request, so nothing is lost when it runs out unused.
/// </summary>
/// <remarks>Thread-safe. Sessions are dropped when their quote is about to end; providers are few, those that this client pays.</remarks>
internal sealed class WarmSessions(TimeProvider time) : IAsyncDisposable
{
    private const int MaxKept = 16;

    /// <summary>Least time that a quote must still last for a request to be sent under it.</summary>
    public static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(PeerId Peer, bool AllowOpenTier, int Relays), Task<OpenedSession?>> _sessions = new();
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>A session that can still be used and quotes prices no dearer than the offer, or <c>null</c>.</summary>
    public async Task<OpenedSession?> TakeAsync(VerifiedOffer offer, bool allowOpenTier, int relays)
    {
        if (!_sessions.TryRemove((offer.Peer, allowOpenTier, relays), out Task<OpenedSession?>? opening) || await opening is not { } session)
        {
            return null;
        }

        bool usable = session.QuoteEnds > time.GetUtcNow() + Margin
            && session.Offer.ModelIdHex == offer.ModelIdHex
            && Protocol.Sessions.Metering.NotDearer(session.Enclave.Quote.Prices, offer.Offer.Prices);
        if (usable)
        {
            return session;
        }

        await session.DisposeAsync();
        return null;
    }

    /// <summary>Opens a session in the background, unless there is one.</summary>
    public void Prepare(PeerId peer, bool allowOpenTier, int relays, Func<CancellationToken, Task<OpenedSession>> open)
    {
        if (_sessions.Count < MaxKept && !_stopping.IsCancellationRequested)
        {
            _sessions.GetOrAdd((peer, allowOpenTier, relays), _ => OpenAsync(open));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        foreach (Task<OpenedSession?> opening in _sessions.Values)
        {
            if (await opening is { } session)
            {
                await session.DisposeAsync();
            }
        }

        _stopping.Dispose();
    }

    private async Task<OpenedSession?> OpenAsync(Func<CancellationToken, Task<OpenedSession>> open)
    {
        await Task.Yield();
        try
        {
            return await open(_stopping.Token);
        }
        catch (Exception exception) when (exception is InferenceException or OperationCanceledException)
        {
            // Only a head start; the request itself will tell what is wrong.
            return null;
        }
    }
}
