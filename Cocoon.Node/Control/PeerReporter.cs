using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Control;

/// <summary>Connected peers with what their offers and our gossip scores say of them.</summary>
internal sealed class PeerReporter(PeerNetwork network, OfferBook book, TimeProvider time)
{
    public PeersDocument Peers()
    {
        ILookup<string, VerifiedOffer> offers = book.All().ToLookup(o => o.Peer.ToString());
        return new PeersDocument(
            ControlJson.Schema,
            [.. network.Host.Connections.GroupBy(c => c.Peer).Select(g => Row(g.OrderBy(c => c.IsRelayed).First(), [.. g], offers[g.Key.ToString()].FirstOrDefault()))]);
    }

    private PeersDocument.Row Row(PeerConnectionInfo best, IReadOnlyList<PeerConnectionInfo> all, VerifiedOffer? offer) => new(
        best.Peer.ToString(),
        best.IsRelayed ? "relay" : "direct tcp",
        best.RemoteAddress.ToString(),
        best.IsOutbound ? "out" : "in",
        best.RoundTrip?.TotalMilliseconds,
        best.AgentVersion.Length > 0 ? best.AgentVersion : null,
        offer?.Offer.Tier,
        offer is null ? [] : [offer.Offer.ModelName],
        offer?.Offer.SlotsFree,
        offer?.Offer.SlotsTotal,
        offer is null ? null : ControlJson.Nanoton(offer.Offer.Prices.Prompt),
        offer is null ? null : ControlJson.Nanoton(offer.Offer.Prices.Completion),
        all.Sum(c => c.Streams),
        all.Sum(c => c.BytesIn),
        all.Sum(c => c.BytesOut),
        network.Gossip.ScoreOf(best.Peer),
        (time.GetUtcNow() - all.Min(c => c.OpenedAt)).TotalSeconds,
        best.Protocols);
}
