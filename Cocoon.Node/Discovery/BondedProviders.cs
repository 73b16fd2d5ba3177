using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>Which providers have a stake on chain, as last read, and which are to be looked up next.</summary>
/// <remarks>
/// Thread-safe and bounded. Whoever names a bond costs one place of 256 here until it is looked up, never more: when they are taken, a
/// newcomer takes one by chance, so that no crowd of made-up bonds keeps all others out.
/// </remarks>
internal sealed class BondedProviders(TimeProvider time)
{
    private const int MaxWaiting = 256, MaxVerdicts = 4096;

    /// <summary>A stake is locked for days; a reading is renewed at half of the time for which it counts, a refusal stands for ten minutes.</summary>
    private static readonly TimeSpan Counts = TimeSpan.FromHours(1), Renewed = TimeSpan.FromMinutes(30), Refused = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Verdict> _verdicts = [];
    private readonly Dictionary<PeerId, VerifiedOffer> _waiting = [];

    public bool IsBonded(PeerId peer)
    {
        lock (_lock)
        {
            return _verdicts.TryGetValue(peer, out Verdict verdict) && verdict.IsBonded && time.GetUtcNow() < verdict.At + Counts;
        }
    }

    /// <summary>Keeps an offer that names a bond for <see cref="TakeNext"/>, unless the chain has lately been asked about it.</summary>
    public void Consider(VerifiedOffer offer)
    {
        if (offer.Offer.Bond.Length == 0)
        {
            return;
        }

        lock (_lock)
        {
            if (_verdicts.TryGetValue(offer.Peer, out Verdict verdict) && time.GetUtcNow() < verdict.At + (verdict.IsBonded ? Renewed : Refused))
            {
                return;
            }

            if (_waiting.Count >= MaxWaiting && !_waiting.ContainsKey(offer.Peer))
            {
                // Those whose reading is to be renewed keep their places.
                PeerId[] unknown = [.. _waiting.Keys.Where(p => !WasBonded(p))];
                if (unknown.Length == 0)
                {
                    return;
                }

                _waiting.Remove(unknown[Random.Shared.Next(unknown.Length)]);
            }

            _waiting[offer.Peer] = offer;
        }
    }

    /// <summary>The next offer whose bond is to be read: first those that were bonded, else one by chance.</summary>
    public VerifiedOffer? TakeNext()
    {
        lock (_lock)
        {
            foreach (PeerId late in _waiting.Where(w => w.Value.ExpiresAt <= time.GetUtcNow()).Select(w => w.Key).ToArray())
            {
                _waiting.Remove(late);
            }

            if (_waiting.Count == 0)
            {
                return null;
            }

            PeerId next = _waiting.Keys.FirstOrDefault(WasBonded) ?? _waiting.Keys.ElementAt(Random.Shared.Next(_waiting.Count));
            _waiting.Remove(next, out VerifiedOffer? offer);
            return offer;
        }
    }

    /// <summary>What the chain said.</summary>
    public void Record(PeerId peer, bool isBonded)
    {
        lock (_lock)
        {
            if (_verdicts.Count >= MaxVerdicts && !_verdicts.ContainsKey(peer))
            {
                // Refusals first, the oldest of them: what was read of a stake costs the most to learn again.
                foreach (PeerId least in _verdicts.OrderBy(v => v.Value.IsBonded).ThenBy(v => v.Value.At).Take(MaxVerdicts / 4).Select(v => v.Key).ToArray())
                {
                    _verdicts.Remove(least);
                }
            }

            _verdicts[peer] = new Verdict(isBonded, time.GetUtcNow());
        }
    }

    private bool WasBonded(PeerId peer) => _verdicts.TryGetValue(peer, out Verdict verdict) && verdict.IsBonded;

    private readonly record struct Verdict(bool IsBonded, DateTimeOffset At);
}
