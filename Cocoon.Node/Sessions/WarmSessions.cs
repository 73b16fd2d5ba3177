using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;

namespace Cocoon.Node.Sessions;

/// <summary>
/// Appraised sessions that serve no request now: those that may serve another, and one per provider in use that is opened ahead, so that the
/// next request costs one round trip. Such a session names no payer and no request, so nothing is lost when it runs out unused.
/// </summary>
/// <remarks>Thread-safe. The one used last is used next; the others are closed after a while, since they hold a provider's places.</remarks>
internal sealed class WarmSessions(TimeProvider time) : IAsyncDisposable
{
    /// <summary>Least time that a quote must still last for a request to be sent under it.</summary>
    public static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    /// <summary>Of all providers; a channel runs half as many at a time.</summary>
    private const int MaxKept = 64;

    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<Place, Shelf> _shelves = [];
    private readonly CancellationTokenSource _stopping = new();
    private Task _trimming = Task.CompletedTask;
    private int _kept;
    private bool _isTrimming;

    /// <summary>Sessions without a request, those being opened not counted.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _kept;
            }
        }
    }

    /// <summary>A session that can still be used, quotes prices no dearer than the offer and has the tier that it claims, or <c>null</c>.</summary>
    /// <remarks>The offer is a newer one than that of the session: what the request was routed by has to be so of the enclave that answers.</remarks>
    public async ValueTask<OpenedSession?> TakeAsync(VerifiedOffer offer, bool allowOpenTier, int relays)
    {
        while (Remove(new Place(offer.Peer, offer.ModelIdHex, allowOpenTier, relays)) is var (kept, opening) && (kept is not null || opening is not null))
        {
            if ((kept ?? await opening!) is not { } session)
            {
                continue;
            }

            if (IsUsable(session)
                && Metering.NotDearer(session.Enclave.Quote.Prices, offer.Offer.Prices)
                && WelcomeVerifier.HasTierOf(session.Enclave.Claims, offer.Offer.Tier))
            {
                return session;
            }

            await session.DisposeAsync();
        }

        return null;
    }

    /// <summary>Keeps a session whose request came to its end, or closes it when it may serve no other.</summary>
    /// <returns>Whether another should be opened ahead: it was not kept, or will soon run out.</returns>
    public async ValueTask<bool> ReturnAsync(OpenedSession session, bool allowOpenTier, int relays)
    {
        if (session.TryAdvance() && IsUsable(session) && TryKeep(session, new Place(session.Offer.Peer, session.Offer.ModelIdHex, allowOpenTier, relays)))
        {
            return session.UsableUntil <= time.GetUtcNow() + (2 * Margin);
        }

        await session.DisposeAsync();
        return true;
    }

    /// <summary>Opens a session in the background, unless that is under way or done.</summary>
    public void Prepare(VerifiedOffer offer, bool allowOpenTier, int relays, Func<CancellationToken, Task<OpenedSession>> open)
    {
        lock (_lock)
        {
            if (_shelves.Count < MaxKept && !_stopping.IsCancellationRequested)
            {
                ShelfOf(new Place(offer.Peer, offer.ModelIdHex, allowOpenTier, relays)).Opening ??= OpenAsync(open);
            }
        }
    }

    /// <summary>Closes what is kept to a provider: one such session had died unseen, so the others have too.</summary>
    public async ValueTask ForgetAsync(PeerId peer)
    {
        List<OpenedSession> forgotten = [];
        lock (_lock)
        {
            foreach ((Place place, Shelf shelf) in _shelves)
            {
                if (place.Peer == peer)
                {
                    forgotten.AddRange(shelf.Kept.Select(k => k.Session));
                    _kept -= shelf.Kept.Count;
                    shelf.Kept.Clear();
                }
            }
        }

        await DisposeAllAsync(forgotten);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Shelf[] shelves;
        lock (_lock)
        {
            shelves = [.. _shelves.Values];
            _shelves.Clear();
        }

        await _trimming;
        foreach (Shelf shelf in shelves)
        {
            await DisposeAllAsync(shelf.Kept.Select(k => k.Session));
            if (shelf.Opening is { } opening && await opening is { } session)
            {
                await session.DisposeAsync();
            }
        }

        _stopping.Dispose();
    }

    private bool IsUsable(OpenedSession session) => session.UsableUntil > time.GetUtcNow() + Margin;

    private (OpenedSession? Kept, Task<OpenedSession?>? Opening) Remove(Place place)
    {
        lock (_lock)
        {
            if (!_shelves.TryGetValue(place, out Shelf? shelf))
            {
                return (null, null);
            }

            if (shelf.Kept.Count > 0)
            {
                OpenedSession last = shelf.Kept[^1].Session;
                shelf.Kept.RemoveAt(shelf.Kept.Count - 1);
                _kept--;
                return (last, null);
            }

            Task<OpenedSession?>? opening = shelf.Opening;
            shelf.Opening = null;
            return (null, opening);
        }
    }

    private bool TryKeep(OpenedSession session, Place place)
    {
        lock (_lock)
        {
            if (_kept >= MaxKept || _stopping.IsCancellationRequested)
            {
                return false;
            }

            ShelfOf(place).Kept.Add((session, time.GetTimestamp()));
            _kept++;
            if (!_isTrimming)
            {
                _isTrimming = true;
                _trimming = TrimAsync();
            }

            return true;
        }
    }

    private Shelf ShelfOf(Place place)
    {
        if (!_shelves.TryGetValue(place, out Shelf? shelf))
        {
            _shelves.Add(place, shelf = new Shelf());
        }

        return shelf;
    }

    private async Task TrimAsync()
    {
        using PeriodicTimer timer = new(IdleTime / 2, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                await DisposeAllAsync(TakeIdle());
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    /// <summary>Those that run out, and of each place all but the last used that have had nothing to do for a while.</summary>
    private List<OpenedSession> TakeIdle()
    {
        List<OpenedSession> idle = [];
        lock (_lock)
        {
            foreach ((Place place, Shelf shelf) in _shelves)
            {
                for (int i = shelf.Kept.Count - 1; i >= 0; i--)
                {
                    (OpenedSession session, long since) = shelf.Kept[i];
                    if (!IsUsable(session) || (i < shelf.Kept.Count - 1 && time.GetElapsedTime(since) >= IdleTime))
                    {
                        shelf.Kept.RemoveAt(i);
                        idle.Add(session);
                        _kept--;
                    }
                }

                if (shelf.Kept.Count == 0 && shelf.Opening is null)
                {
                    _shelves.Remove(place);
                }
            }
        }

        return idle;
    }

    private static async Task DisposeAllAsync(IEnumerable<OpenedSession> sessions)
    {
        foreach (OpenedSession session in sessions)
        {
            await session.DisposeAsync();
        }
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

    private readonly record struct Place(PeerId Peer, string Model, bool AllowOpenTier, int Relays);

    private sealed class Shelf
    {
        /// <summary>In the order of their last use.</summary>
        public List<(OpenedSession Session, long Since)> Kept { get; } = [];

        public Task<OpenedSession?>? Opening { get; set; }
    }
}
