using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>The latest valid offer of each provider and model, with what we learned of it first hand.</summary>
/// <remarks>
/// Bounds per model: 512 offers, 4 unproven ones per payout address; half the places are kept for peers that have served us.
/// Thread-safe. Gossip about other peers' quality never enters.
/// </remarks>
internal sealed class OfferBook(TimeProvider time)
{
    public const int MaxPerModel = 512;
    public const int MaxModels = 4096;
    public const int MaxUnprovenPerPayout = 4;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<PeerId, VerifiedOffer>> _models = [];
    private readonly ConcurrentDictionary<PeerId, ProviderHistory> _histories = new();

    /// <summary>Raised after an offer was stored, replaced or withdrawn.</summary>
    public event Action<VerifiedOffer>? Changed;

    /// <summary>Raised after a provider answered or failed a request of ours. Handlers return quickly.</summary>
    public event Action<ProviderOutcome>? Observed;

    public OfferRejection Add(VerifiedOffer offer)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            if (!_models.TryGetValue(offer.ModelIdHex, out Dictionary<PeerId, VerifiedOffer>? byPeer))
            {
                if (_models.Count >= MaxModels)
                {
                    Expire(now);
                    if (_models.Count >= MaxModels)
                    {
                        return OfferRejection.Full;
                    }
                }

                _models.Add(offer.ModelIdHex, byPeer = []);
            }

            if (byPeer.TryGetValue(offer.Peer, out VerifiedOffer? known))
            {
                if (known.Offer.Sequence >= offer.Offer.Sequence)
                {
                    return OfferRejection.OldSequence;
                }
            }
            else if (!HasRoom(byPeer, offer, now))
            {
                return OfferRejection.Full;
            }

            // A withdrawal stays, unseen, until it expires: an older copy must not bring the provider back.
            byPeer[offer.Peer] = offer;
        }

        Changed?.Invoke(offer);
        return OfferRejection.None;
    }

    public IReadOnlyList<VerifiedOffer> ForModel(string modelIdHex)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return _models.TryGetValue(modelIdHex, out Dictionary<PeerId, VerifiedOffer>? byPeer) ? [.. byPeer.Values.Where(o => o.ExpiresAt > now && !o.IsWithdrawal)] : [];
        }
    }

    /// <summary>Unexpired offers of models with this name or model id.</summary>
    public IReadOnlyList<VerifiedOffer> ForName(string model) =>
        [.. All().Where(o => o.Offer.ModelName == model || o.ModelIdHex == model)];

    public IReadOnlyList<VerifiedOffer> All()
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            Expire(now);
            return [.. _models.Values.SelectMany(m => m.Values).Where(o => !o.IsWithdrawal)];
        }
    }

    public ProviderHistory History(PeerId peer) => _histories.GetOrAdd(peer, p => new ProviderHistory(p, time, outcome => Observed?.Invoke(outcome)));

    /// <summary>As <see cref="History"/>, without beginning one.</summary>
    public ProviderHistory? FindHistory(PeerId peer) => _histories.GetValueOrDefault(peer);

    private bool HasRoom(Dictionary<PeerId, VerifiedOffer> byPeer, VerifiedOffer offer, DateTimeOffset now)
    {
        foreach (PeerId expired in byPeer.Where(e => e.Value.ExpiresAt <= now).Select(e => e.Key).ToArray())
        {
            byPeer.Remove(expired);
        }

        if (IsProven(offer))
        {
            return byPeer.Count < MaxPerModel;
        }

        int unproven = byPeer.Values.Count(o => !IsProven(o));
        int samePayout = byPeer.Values.Count(o => o.Offer.Payout == offer.Offer.Payout && !IsProven(o));
        return unproven < MaxPerModel / 2 && samePayout < MaxUnprovenPerPayout;
    }

    private bool IsProven(VerifiedOffer offer) => _histories.TryGetValue(offer.Peer, out ProviderHistory? history) && history.Answers > 0;

    private void Expire(DateTimeOffset now)
    {
        foreach ((string model, Dictionary<PeerId, VerifiedOffer> byPeer) in _models.ToArray())
        {
            foreach (PeerId peer in byPeer.Where(e => e.Value.ExpiresAt <= now).Select(e => e.Key).ToArray())
            {
                byPeer.Remove(peer);
            }

            if (byPeer.Count == 0)
            {
                _models.Remove(model);
            }
        }
    }
}
