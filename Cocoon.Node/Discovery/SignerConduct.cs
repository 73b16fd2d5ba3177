using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;

namespace Cocoon.Node.Discovery;

/// <summary>What the signers of offers do that no single message proves: too many, too old, from another clock. It counts against them.</summary>
/// <remarks>Thread-safe and bounded. Counts halve every minute, so that a provider with a slow clock is never worse than ignored.</remarks>
internal sealed class SignerConduct(TimeProvider time)
{
    /// <summary>A provider publishes at most once a second, on change; the burst covers clocks and restarts.</summary>
    private const double OffersPerSecond = 1.5, OfferBurst = 20;

    private const int MaxSigners = 4096;

    /// <summary>Ignored messages that cost nothing yet, and how many more cost one point.</summary>
    private const double Tolerated = 20, PerPoint = 10;

    private static readonly TimeSpan HalfLife = TimeSpan.FromMinutes(1);

    private readonly RateLimiter<PeerId> _rate = new(OffersPerSecond, OfferBurst, time, MaxSigners);
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, (double Count, long At)> _ignored = [];

    /// <summary>Takes one message of the signer's allowance; <c>false</c> when it is used up.</summary>
    public bool TryTake(PeerId signer) => _rate.TryTake(signer);

    /// <summary>A message of the signer was well formed and signed, and useless.</summary>
    public void Ignored(PeerId signer)
    {
        lock (_lock)
        {
            long now = time.GetTimestamp();
            if (_ignored.Count >= MaxSigners && !_ignored.ContainsKey(signer))
            {
                // Who has done least is forgotten first.
                foreach (PeerId least in _ignored.OrderBy(item => Decayed(item.Value, now)).Take(MaxSigners / 4).Select(item => item.Key).ToArray())
                {
                    _ignored.Remove(least);
                }
            }

            _ignored[signer] = (Decayed(_ignored.GetValueOrDefault(signer), now) + 1, now);
        }
    }

    /// <summary>For gossipsub's application score (P5): 0, or below for a signer that goes on.</summary>
    public double ScoreOf(PeerId peer)
    {
        lock (_lock)
        {
            return _ignored.TryGetValue(peer, out (double Count, long At) ignored)
                ? -Math.Max(0, Decayed(ignored, time.GetTimestamp()) - Tolerated) / PerPoint
                : 0;
        }
    }

    private double Decayed((double Count, long At) ignored, long now) => ignored.Count * Math.Pow(0.5, time.GetElapsedTime(ignored.At, now) / HalfLife);
}
