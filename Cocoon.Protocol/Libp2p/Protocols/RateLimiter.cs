namespace Cocoon.Protocol.Libp2p.Protocols;

/// <summary>Token buckets by key, bounded in number: the fullest is forgotten first, for it restricts nobody.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class RateLimiter<TKey>(double perSecond, double burst, TimeProvider time, int capacity = 4096)
    where TKey : notnull
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TKey, (double Tokens, long At)> _buckets = [];

    /// <summary><c>false</c>, and nothing taken, when the key has not that much of its rate left.</summary>
    public bool TryTake(TKey key, double amount = 1)
    {
        lock (_gate)
        {
            long now = time.GetTimestamp();
            if (!_buckets.TryGetValue(key, out (double Tokens, long At) bucket))
            {
                if (_buckets.Count >= capacity)
                {
                    Shrink(now);
                }

                bucket = (burst, now);
            }

            double tokens = Refill(bucket, now);
            bool taken = tokens >= amount;
            _buckets[key] = (taken ? tokens - amount : tokens, now);
            return taken;
        }
    }

    private double Refill((double Tokens, long At) bucket, long now) =>
        Math.Min(burst, bucket.Tokens + (time.GetElapsedTime(bucket.At, now).TotalSeconds * perSecond));

    private void Shrink(long now)
    {
        foreach (TKey key in _buckets.OrderByDescending(item => Refill(item.Value, now)).Take(capacity / 4).Select(item => item.Key).ToList())
        {
            _buckets.Remove(key);
        }
    }
}
