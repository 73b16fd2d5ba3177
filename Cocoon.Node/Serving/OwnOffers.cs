using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Serving;

/// <summary>The offers this node signed and that a client may still follow, newest of each model first. Thread-safe.</summary>
internal sealed class OwnOffers(TimeProvider time)
{
    /// <summary>Of one model: a refresh every 15 s and on change, for a 45 s life; more changes than this in that time drop the oldest.</summary>
    private const int MaxKept = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedList<VerifiedOffer>> _offers = [];

    /// <summary>The newest offer of each model that has not run out.</summary>
    public IReadOnlyList<VerifiedOffer> Current
    {
        get
        {
            DateTimeOffset now = time.GetUtcNow();
            lock (_lock)
            {
                return [.. _offers.Values.Select(o => o.First!.Value).Where(o => o.ExpiresAt > now)];
            }
        }
    }

    public void Add(VerifiedOffer offer)
    {
        string model = Convert.ToHexStringLower(offer.Offer.ModelId.Span);
        lock (_lock)
        {
            if (!_offers.TryGetValue(model, out LinkedList<VerifiedOffer>? offers))
            {
                _offers[model] = offers = [];
            }

            offers.AddFirst(offer);
            while (offers.Count > MaxKept)
            {
                offers.RemoveLast();
            }
        }
    }

    public VerifiedOffer? Find(ReadOnlySpan<byte> digest)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            foreach (LinkedList<VerifiedOffer> offers in _offers.Values)
            {
                foreach (VerifiedOffer offer in offers)
                {
                    if (offer.Digest.Span.SequenceEqual(digest))
                    {
                        return offer.ExpiresAt > now ? offer : null;
                    }
                }
            }
        }

        return null;
    }
}
