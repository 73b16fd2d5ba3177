namespace Cocoon.Node.Serving;

/// <summary>Sessions opened in the current minute per peer, or per owner of peers. The table is bounded: it starts anew each minute and refuses strangers when full.</summary>
internal sealed class HelloRate<TKey>(int perMinute, TimeProvider time)
    where TKey : notnull
{
    private const int MaxKeys = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, int> _counts = [];
    private long _minute;

    /// <summary>Gives one back: its session was paid for, and the rate is for those who open sessions and do not pay.</summary>
    public void Return(TKey key)
    {
        lock (_lock)
        {
            if (_counts.TryGetValue(key, out int count) && count > 1)
            {
                _counts[key] = count - 1;
            }
        }
    }

    public bool TryTake(TKey key)
    {
        long minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        lock (_lock)
        {
            if (minute != _minute)
            {
                _counts.Clear();
                _minute = minute;
            }

            int count = _counts.GetValueOrDefault(key);
            if (count >= perMinute || (count == 0 && _counts.Count >= MaxKeys))
            {
                return false;
            }

            _counts[key] = count + 1;
            return true;
        }
    }
}
