using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Discovery;

/// <summary>The latest valid offer of each provider and model, with what we learned of it first hand.</summary>
/// <remarks>
/// Bounds per model: 512 offers. Places go first to peers that have served us, then to those with a stake (64), to those that told us of
/// theirs themselves (128, 4 per network that they answered from), last to those that were only heard of (256, 4 per payout address and per
/// network that they name, 64 that name none): one owner of thousands of peer ids leaves places to everybody above, and when all 512 are
/// taken the lowest give way. Thread-safe. Gossip about other peers' quality never enters.
/// </remarks>
/// <param name="bonds"><c>null</c>: stakes do not count.</param>
internal sealed class OfferBook(TimeProvider time, BondedProviders? bonds = null)
{
    public const int MaxPerModel = 512;
    public const int MaxModels = 4096;
    public const int MaxUnprovenPerPayout = 4;
    public const int MaxUnprovenPerNetwork = 4;

    /// <summary>Providers behind NATs name their relay's address, so that these are few; own choice.</summary>
    public const int MaxUnprovenWithoutNetwork = 64;

    public const int MaxBonded = 64;
    private const int MaxHistories = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Dictionary<PeerId, Entry>> _models = [];
    private readonly ConcurrentDictionary<PeerId, ProviderHistory> _histories = new();

    /// <summary>Raised after an offer was stored, replaced or withdrawn.</summary>
    public event Action<VerifiedOffer>? Changed;

    /// <summary>Raised after a provider answered or failed a request of ours. Handlers return quickly.</summary>
    public event Action<ProviderOutcome>? Observed;

    /// <param name="isFirstHand">Its provider told us of it, over a connection of ours.</param>
    /// <param name="metAt">The network (/24 or /48) at the other end of that connection; <c>null</c> for one without public addresses.</param>
    public OfferRejection Add(VerifiedOffer offer, OfferSource source = OfferSource.None, bool isFirstHand = false, string? metAt = null)
    {
        bonds?.Consider(offer);
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
                    known.Meet(isFirstHand, metAt);
                    known.Sources |= known.Offer.Offer.Sequence == offer.Offer.Sequence ? source : OfferSource.None;
                    return OfferRejection.OldSequence;
                }

                source |= known.Sources;
                metAt = isFirstHand ? metAt : known.MetAt;
                isFirstHand |= known.IsMet;
            }

            // A known provider that now names another payout or network takes a place there like a newcomer.
            Entry entry = new(offer, source, isFirstHand, metAt);
            if (known?.SharesPlaceWith(entry) == true && StandingOf(entry) <= known.Standing)
            {
                entry.Standing = known.Standing;
            }
            else if (!TryPlace(byPeer, entry, now))
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

    /// <summary>Whether the provider has a stake on chain, as last read.</summary>
    public bool IsBonded(PeerId peer) => bonds?.IsBonded(peer) == true;

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

    /// <summary>Gives the newcomer the best place that is left for somebody of its standing, at the cost of the lowest when the book is full.</summary>
    private bool TryPlace(Dictionary<PeerId, Entry> byPeer, Entry entry, DateTimeOffset now)
    {
        foreach (PeerId expired in byPeer.Where(e => e.Value.Offer.ExpiresAt <= now).Select(e => e.Key).ToArray())
        {
            byPeer.Remove(expired);
        }

        Entry[] others = [.. byPeer.Values.Where(e => e.Offer.Peer != entry.Offer.Peer)];
        for (Standing standing = StandingOf(entry); standing >= Standing.Heard; standing--)
        {
            if (HasRoom(others, entry, standing) && (others.Length < MaxPerModel || Evict(byPeer, others, below: standing)))
            {
                entry.Standing = standing;
                return true;
            }
        }

        return false;
    }

    private static bool HasRoom(Entry[] others, Entry entry, Standing standing)
    {
        Entry[] peers = [.. others.Where(e => e.Standing == standing)];
        return standing switch
        {
            Standing.Served => true,
            Standing.Bonded => peers.Length < MaxBonded,
            Standing.Met => entry.IsMet
                && peers.Length < MaxPerModel / 4
                && (entry.MetAt is null || peers.Count(e => e.MetAt == entry.MetAt) < MaxUnprovenPerNetwork),
            _ => peers.Length < MaxPerModel / 2
                && peers.Count(e => e.Offer.Offer.Payout == entry.Offer.Offer.Payout) < MaxUnprovenPerPayout
                && (entry.Networks.Length > 0 || peers.Count(e => e.Networks.Length == 0) < MaxUnprovenWithoutNetwork)
                && entry.Networks.All(network => peers.Count(e => e.Networks.Contains(network)) < MaxUnprovenPerNetwork),
        };
    }

    /// <summary>Makes room: of the lowest standing the one that was heard of longest ago.</summary>
    private static bool Evict(Dictionary<PeerId, Entry> byPeer, Entry[] others, Standing below) =>
        others.OrderBy(e => e.Standing).ThenBy(e => e.Offer.ExpiresAt).First() is { } least && least.Standing < below && byPeer.Remove(least.Offer.Peer);

    private Standing StandingOf(Entry entry) =>
        _histories.TryGetValue(entry.Offer.Peer, out ProviderHistory? history) && history.Answers > 0 ? Standing.Served
        : bonds?.IsBonded(entry.Offer.Peer) == true ? Standing.Bonded
        : entry.IsMet ? Standing.Met
        : Standing.Heard;

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

    /// <summary>By what a provider has its place, from the least.</summary>
    private enum Standing
    {
        /// <summary>Somebody handed on what it signed: anybody can sign with thousands of ids, and write any address into an offer.</summary>
        Heard,

        /// <summary>It answered us itself, from an address that it really has.</summary>
        Met,

        /// <summary>It has a stake on chain.</summary>
        Bonded,

        /// <summary>It has answered a request of ours.</summary>
        Served,
    }

    private sealed class Entry(VerifiedOffer offer, OfferSource sources, bool isMet, string? metAt)
    {
        public VerifiedOffer Offer { get; } = offer;

        public OfferSource Sources { get; set; } = sources;

        /// <summary>Its provider told us of it itself.</summary>
        public bool IsMet { get; private set; } = isMet;

        /// <summary>The network that it told us from; <c>null</c> for our own, of private addresses.</summary>
        public string? MetAt { get; private set; } = metAt;

        /// <summary>Under which it took its place.</summary>
        public Standing Standing { get; set; }

        /// <summary>Public IPv4 /24 and IPv6 /48 networks of its addresses.</summary>
        public string[] Networks { get; } = [.. offer.Addresses.Select(IpGroups.Narrow).OfType<string>().Distinct()];

        /// <summary>Counts from its next offer on.</summary>
        public void Meet(bool isFirstHand, string? at)
        {
            if (isFirstHand)
            {
                (IsMet, MetAt) = (true, at);
            }
        }

        public bool IsLive(DateTimeOffset now) => Offer.ExpiresAt > now && !Offer.IsWithdrawal;

        public bool SharesPlaceWith(Entry other) => Offer.Offer.Payout == other.Offer.Offer.Payout
            && MetAt == other.MetAt
            && (other.Networks.Length > 0 || Networks.Length == 0)
            && other.Networks.All(network => Networks.Contains(network));
    }
}
