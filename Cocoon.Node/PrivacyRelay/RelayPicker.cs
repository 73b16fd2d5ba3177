using System.Security.Cryptography;
using Cocoon.Node.Discovery;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.PrivacyRelay;

namespace Cocoon.Node.PrivacyRelay;

/// <summary>Chooses the relays of a circuit from connected peers and offers.</summary>
/// <remarks>
/// Never the provider itself nor another peer with its payout address: together they would know who asks what. Peers of other networks
/// (IPv4 /16, IPv6 /32) and operators than everybody else on the circuit come first; among equals the choice is random, so that nobody
/// can attract circuits by a claim.
/// </remarks>
internal sealed class RelayPicker(ILibp2pHost host, OfferBook book)
{
    /// <exception cref="NoRelayException">Fewer than <paramref name="count"/> are known.</exception>
    public IReadOnlyList<CircuitHop> Pick(int count, PeerId provider, IReadOnlySet<PeerId> failed)
    {
        IReadOnlyList<VerifiedOffer> offers = book.All();
        Candidate target = Describe(provider, [], offers);
        List<Candidate> candidates = [.. Known(offers).Where(c => !failed.Contains(c.Peer) && c.Peer != provider && !SharesPayout(c, target))];
        if (candidates.Count < count)
        {
            throw new NoRelayException(count, candidates.Count);
        }

        RandomNumberGenerator.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(candidates));
        List<Candidate> chosen = [];
        while (chosen.Count < count)
        {
            List<Candidate> others = [target, .. chosen];
            Candidate best = candidates.MinBy(c => others.Count(o => Overlaps(c, o)))!;
            candidates.Remove(best);
            chosen.Add(best);
        }

        return [.. chosen.Select(c => new CircuitHop(c.Peer, c.Addresses))];
    }

    private IEnumerable<Candidate> Known(IReadOnlyList<VerifiedOffer> offers)
    {
        HashSet<PeerId> seen = [host.LocalPeer];
        foreach (PeerConnectionInfo connection in host.Connections)
        {
            if (connection.Protocols.Contains(RelayProtocol.ForwardId) && seen.Add(connection.Peer))
            {
                yield return Describe(connection.Peer, [connection.RemoteAddress], offers);
            }
        }

        foreach (VerifiedOffer offer in offers)
        {
            if (offer.Offer.Protocols.Contains(RelayProtocol.ForwardId) && seen.Add(offer.Peer))
            {
                host.AddAddresses(offer.Peer, offer.Addresses, OfferLimits.TimeToLive);
                yield return Describe(offer.Peer, [], offers);
            }
        }
    }

    private Candidate Describe(PeerId peer, IEnumerable<Multiaddr> connected, IReadOnlyList<VerifiedOffer> offers)
    {
        VerifiedOffer[] own = [.. offers.Where(o => o.Peer == peer)];
        Multiaddr[] addresses = [.. own.SelectMany(o => o.Addresses).Concat(host.GetAddresses(peer)).Select(a => a.WithoutPeer()).Distinct().Take(RelayProtocol.MaxAddresses)];
        return new Candidate(
            peer, addresses,
            [.. addresses.Concat(connected).Select(IpGroups.Wide).OfType<string>()],
            [.. own.Select(o => o.Offer.Payout)]);
    }

    private static bool SharesPayout(Candidate a, Candidate b) => a.Payouts.Overlaps(b.Payouts);

    private static bool Overlaps(Candidate a, Candidate b) => SharesPayout(a, b) || a.Networks.Overlaps(b.Networks);

    private sealed record Candidate(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, HashSet<string> Networks, HashSet<string> Payouts);
}
