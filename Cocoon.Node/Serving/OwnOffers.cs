using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Serving;

/// <summary>The offers this node signed and that a client may still follow, newest first. Thread-safe.</summary>
internal sealed class OwnOffers(TimeProvider time)
{
    /// <summary>A refresh every 15 s and on change, for a 45 s life; more changes than this in that time drop the oldest.</summary>
    private const int MaxKept = 64;

    private readonly Lock _lock = new();
    private readonly LinkedList<VerifiedOffer> _offers = [];

    public VerifiedOffer? Current
    {
        get
        {
            lock (_lock)
            {
                return _offers.First?.Value is { } newest && newest.ExpiresAt > time.GetUtcNow() ? newest : null;
            }
        }
    }

    public void Add(VerifiedOffer offer)
    {
        lock (_lock)
        {
            _offers.AddFirst(offer);
            while (_offers.Count > MaxKept)
            {
                _offers.RemoveLast();
            }
        }
    }

    public VerifiedOffer? Find(ReadOnlySpan<byte> digest)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            foreach (VerifiedOffer offer in _offers)
            {
                if (offer.Digest.Span.SequenceEqual(digest))
                {
                    return offer.ExpiresAt > now ? offer : null;
                }
            }
        }

        return null;
    }
}
