using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Control;

/// <summary>Connected peers, one row each, with what their offers, our gossip scores, our appraisals and our channels say of them.</summary>
internal sealed class PeerReporter(PeerNetwork network, OfferBook book, PeerNames names, MoneyReporter money, TimeProvider time)
{
    public PeersDocument Peers()
    {
        ILookup<PeerId, VerifiedOffer> offers = book.All().ToLookup(o => o.Peer);
        IReadOnlyDictionary<PeerId, ulong> paid = money.PaidByPeer();
        return new PeersDocument(
            ControlJson.Schema,
            [.. network.Host.Connections.GroupBy(c => c.Peer).Select(g => Row(g.OrderBy(c => c.IsRelayed).First(), [.. g], [.. offers[g.Key]], paid))]);
    }

    public static string Path(bool isRelayed) => isRelayed ? "relay" : "direct tcp";

    /// <summary>The relay that a relayed address goes through.</summary>
    public static string? Via(Multiaddr address) =>
        address.IsRelayed ? address.Components.FirstOrDefault(c => c.Protocol == MultiaddrProtocol.P2P).Value : null;

    private PeersDocument.Row Row(PeerConnectionInfo best, IReadOnlyList<PeerConnectionInfo> all, VerifiedOffer[] offers, IReadOnlyDictionary<PeerId, ulong> paid)
    {
        Protocol.Offers.Proto.Offer? offer = offers.FirstOrDefault()?.Offer;
        DateTimeOffset now = time.GetUtcNow();
        Appraisal? appraisal = book.FindHistory(best.Peer)?.LastAppraisal;
        return new PeersDocument.Row(
            best.Peer.ToString(),
            names.Find(best.Peer),
            Path(best.IsRelayed),
            Via(best.RemoteAddress),
            best.RemoteAddress.ToString(),
            best.IsOutbound ? "out" : "in",
            best.RoundTrip?.TotalMilliseconds,
            best.Loss,
            best.AgentVersion.Length > 0 ? best.AgentVersion : null,
            offer?.Tier,
            appraisal?.Verdict,
            (now - appraisal?.At)?.TotalSeconds,
            [.. offers.Select(o => o.Offer.ModelName).Order(StringComparer.Ordinal)],
            offer is null ? null : (uint)offers.Sum(o => o.Offer.SlotsFree),
            offer is null ? null : (uint)offers.Sum(o => o.Offer.SlotsTotal),
            offer is null ? null : ControlJson.Nanoton(offer.Prices.Prompt),
            offer is null ? null : ControlJson.Nanoton(offer.Prices.Completion),
            paid.TryGetValue(best.Peer, out ulong amount) ? ControlJson.Nanoton(amount) : null,
            all.Sum(c => c.Streams),
            all.Sum(c => c.BytesIn),
            all.Sum(c => c.BytesOut),
            network.Gossip.ScoreOf(best.Peer),
            (now - all.Min(c => c.OpenedAt)).TotalSeconds,
            best.Protocols);
    }
}
