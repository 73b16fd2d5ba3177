using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>The latest valid offer of each provider and model, with what we learned of it first hand.</summary>
/// <remarks>
/// Bounds per model: 512 offers; 4 unproven ones per payout address and per IP network (/24, /48); half the places are kept for peers
/// that have served us, and for those that told us of theirs themselves (at most a quarter): whoever floods the topic with made-up offers
/// leaves places to providers that the DHT names. Thread-safe. Gossip about other peers' quality never enters.
/// </remarks>
internal sealed class OfferBook(TimeProvider time)
{
    public const int MaxPerModel = 512;
    public const int MaxModels = 4096;
    public const int MaxUnprovenPerPayout = 4;
    public const int MaxUnprovenPerNetwork = 4;
    private const int MaxHistories = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<PeerId, Entry>> _models = [];
    private readonly ConcurrentDictionary<PeerId, ProviderHistory> _histories = new();

    /// <summary>Raised after an offer was stored, replaced or withdrawn.</summary>
    public event Action<VerifiedOffer>? Changed;

    /// <summary>Raised after a provider answered or failed a request of ours. Handlers return quickly.</summary>
    public event Action<ProviderOutcome>? Observed;

    /// <param name="isFirstHand">Its provider told us of it, over a connection of ours.</param>
    public OfferRejection Add(VerifiedOffer offer, OfferSource source = OfferSource.None, bool isFirstHand = false)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            if (!_models.TryGetValue(offer.ModelIdHex, out Dictionary<PeerId, Entry>? byPeer))
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

            if (byPeer.TryGetValue(offer.Peer, out Entry? known))
            {
                if (known.Offer.Offer.Sequence >= offer.Offer.Sequence)
                {
                    known.IsMet |= isFirstHand;
                    known.Sources |= known.Offer.Offer.Sequence == offer.Offer.Sequence ? source : OfferSource.None;
                    return OfferRejection.OldSequence;
                }

                source |= known.Sources;
                isFirstHand |= known.IsMet;
            }

            // A known provider that now names another payout or network takes a place there like a newcomer.
            Entry entry = new(offer, source) { IsMet = isFirstHand };
            if ((known is null || !known.SharesPlaceWith(entry)) && !HasRoom(byPeer, entry, now))
            {
                return OfferRejection.Full;
            }

            // A withdrawal stays, unseen, until it expires: an older copy must not bring the provider back.
            byPeer[offer.Peer] = entry;
        }

        Changed?.Invoke(offer);
        return OfferRejection.None;
    }

    /// <summary>Whether the book has a newer offer of this provider and model, or another one with the same sequence.</summary>
    public bool IsOutdated(PeerId peer, string modelIdHex, ulong sequence, ReadOnlySpan<byte> signed)
    {
        lock (_lock)
        {
            return _models.TryGetValue(modelIdHex, out Dictionary<PeerId, Entry>? byPeer)
                && byPeer.TryGetValue(peer, out Entry? known)
                && (known.Offer.Offer.Sequence > sequence || (known.Offer.Offer.Sequence == sequence && !known.Offer.Signed.Span.SequenceEqual(signed)));
        }
    }

    public IReadOnlyList<VerifiedOffer> ForModel(string modelIdHex)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            return _models.TryGetValue(modelIdHex, out Dictionary<PeerId, Entry>? byPeer) ? [.. byPeer.Values.Where(e => e.IsLive(now)).Select(e => e.Offer)] : [];
        }
    }

    /// <summary>The ways on which the live offers of these models came, together.</summary>
    public OfferSource SourcesOf(IEnumerable<string> modelIdsHex)
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_lock)
        {
            OfferSource sources = OfferSource.None;
            foreach (string model in modelIdsHex)
            {
                foreach (Entry entry in _models.GetValueOrDefault(model)?.Values.Where(e => e.IsLive(now)) ?? [])
                {
                    sources |= entry.Sources;
                }
            }

            return sources;
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
            return [.. _models.Values.SelectMany(m => m.Values).Where(e => e.IsLive(now)).Select(e => e.Offer)];
        }
    }

    /// <summary>Where a provider says that it listens, by the newest of its live offers; empty without one.</summary>
    public IReadOnlyList<Multiaddr> AddressesOf(PeerId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        VerifiedOffer? newest;
        lock (_lock)
        {
            newest = _models.Values.Select(byPeer => byPeer.GetValueOrDefault(peer)).Where(e => e?.IsLive(now) == true).Select(e => e!.Offer).MaxBy(o => o.IssuedAt);
        }

        return newest is null ? [] : [.. newest.Addresses];
    }

    /// <summary>As <see cref="History"/>, without beginning one.</summary>
    public ProviderHistory? FindHistory(PeerId peer) => _histories.GetValueOrDefault(peer);

    /// <summary>What we saw of a provider; an empty history for one that never served us.</summary>
    public ProviderHistory History(PeerId peer)
    {
        if (_histories.TryGetValue(peer, out ProviderHistory? known))
        {
            return known;
        }

        if (_histories.Count >= MaxHistories)
        {
            // Those without any experience cost nothing to forget, then those with the least.
            foreach (PeerId least in _histories.OrderBy(h => h.Value.Answers + h.Value.Failures).Take(MaxHistories / 4).Select(h => h.Key).ToArray())
            {
                _histories.TryRemove(least, out _);
            }
        }

        return _histories.GetOrAdd(peer, p => new ProviderHistory(p, time, outcome => Observed?.Invoke(outcome)));
    }

    private bool HasRoom(Dictionary<PeerId, Entry> byPeer, Entry entry, DateTimeOffset now)
    {
        foreach (PeerId expired in byPeer.Where(e => e.Value.Offer.ExpiresAt <= now).Select(e => e.Key).ToArray())
        {
            byPeer.Remove(expired);
        }

        PeerId peer = entry.Offer.Peer;
        if (IsProven(entry.Offer))
        {
            return byPeer.ContainsKey(peer) || byPeer.Count < MaxPerModel;
        }

        if (entry.IsMet && byPeer.Values.Count(e => e.IsMet && e.Offer.Peer != peer && !IsProven(e.Offer)) < MaxPerModel / 4)
        {
            return byPeer.ContainsKey(peer) || byPeer.Count < MaxPerModel;
        }

        Entry[] unproven = [.. byPeer.Values.Where(e => e.Offer.Peer != peer && !e.IsMet && !IsProven(e.Offer))];
        return unproven.Length < MaxPerModel / 2
            && unproven.Count(e => e.Offer.Offer.Payout == entry.Offer.Offer.Payout) < MaxUnprovenPerPayout
            && entry.Networks.All(network => unproven.Count(e => e.Networks.Contains(network)) < MaxUnprovenPerNetwork);
    }

    private bool IsProven(VerifiedOffer offer) => _histories.TryGetValue(offer.Peer, out ProviderHistory? history) && history.Answers > 0;

    private void Expire(DateTimeOffset now)
    {
        foreach ((string model, Dictionary<PeerId, Entry> byPeer) in _models.ToArray())
        {
            foreach (PeerId peer in byPeer.Where(e => e.Value.Offer.ExpiresAt <= now).Select(e => e.Key).ToArray())
            {
                byPeer.Remove(peer);
            }

            if (byPeer.Count == 0)
            {
                _models.Remove(model);
            }
        }
    }

    private sealed class Entry(VerifiedOffer offer, OfferSource sources)
    {
        public VerifiedOffer Offer { get; } = offer;

        public OfferSource Sources { get; set; } = sources;

        /// <summary>Its provider told us of it itself.</summary>
        public bool IsMet { get; set; }

        /// <summary>Public IPv4 /24 and IPv6 /48 networks of its addresses.</summary>
        public string[] Networks { get; } = [.. offer.Addresses.Select(IpGroups.Narrow).OfType<string>().Distinct()];

        public bool IsLive(DateTimeOffset now) => Offer.ExpiresAt > now && !Offer.IsWithdrawal;

        public bool SharesPlaceWith(Entry other) => Offer.Offer.Payout == other.Offer.Offer.Payout && other.Networks.All(network => Networks.Contains(network));
    }
}
