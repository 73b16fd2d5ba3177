using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Serving;

/// <summary>Sessions opened per peer in the current minute. The table is bounded: it starts anew each minute and refuses strangers when full.</summary>
internal sealed class HelloRate(int perMinute, TimeProvider time)
{
    private const int MaxPeers = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, int> _counts = [];
    private long _minute;

    /// <summary>Gives one back: its session was paid for, and the rate is for those who open sessions and do not pay.</summary>
    public void Return(PeerId peer)
    {
        lock (_lock)
        {
            if (_counts.TryGetValue(peer, out int count) && count > 1)
            {
                _counts[peer] = count - 1;
            }
        }
    }

    public bool TryTake(PeerId peer)
    {
        long minute = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        lock (_lock)
        {
            if (minute != _minute)
            {
                _counts.Clear();
                _minute = minute;
            }

            int count = _counts.GetValueOrDefault(peer);
            if (count >= perMinute || (count == 0 && _counts.Count >= MaxPeers))
            {
                return false;
            }

            _counts[peer] = count + 1;
            return true;
        }
    }
}
