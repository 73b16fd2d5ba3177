using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Libp2p.Protocols.Kad;
using Cocoon.Protocol.Libp2p.Swarm;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Control;

/// <summary>One peer in full, from every part of the node that knows something of it.</summary>
internal sealed class PeerDetailReporter(PeerNetwork network, OfferBook book, OfferReporter offers, MoneyReporter money, PeerNames names, TimeProvider time)
{
    /// <summary>The only ones this stack negotiates.</summary>
    private const string Security = "/noise", Muxer = "/yamux/1.0.0";

    public PeerDocument Show(PeerId peer)
    {
        PeerConnectionInfo[] connections = [.. network.Host.Connections.Where(c => c.Peer == peer).OrderBy(c => c.IsRelayed)];
        VerifiedOffer[] own = [.. book.All().Where(o => o.Peer == peer)];
        string id = peer.ToString();
        return new PeerDocument(
            ControlJson.Schema,
            id,
            names.Find(peer),
            connections.Length > 0,
            Identity(peer, connections.FirstOrDefault()),
            [.. connections.Select(Connected), .. Known(peer, connections)],
            connections.FirstOrDefault(c => c.Protocols.Count > 0)?.Protocols ?? [],
            Gossip(peer),
            Dht(peer),
            Attestation(peer, own.FirstOrDefault()),
            [.. offers.Offers(null, explain: true).Offers.Where(o => o.Peer == id)],
            [.. money.Channels().Channels.Where(c => c.Peer == id)],
            History(peer));
    }

    private static PeerDocument.IdentityState Identity(PeerId peer, PeerConnectionInfo? connection)
    {
        bool known = peer.TryGetPublicKey(out Ed25519PublicKey? key);
        return new PeerDocument.IdentityState(
            known ? "Ed25519" : null,
            known ? Convert.ToHexStringLower(key!.Bytes) : null,
            peer.ToCidString(),
            connection is { AgentVersion.Length: > 0 } ? connection.AgentVersion : null,
            connection is { ProtocolVersion.Length: > 0 } ? connection.ProtocolVersion : null);
    }

    private PeerDocument.PathRow Connected(PeerConnectionInfo c) => new(
        c.RemoteAddress.ToString(),
        PeerReporter.Path(c.IsRelayed),
        PeerReporter.Via(c.RemoteAddress),
        "connected",
        Verified: true,
        c.IsOutbound ? "out" : "in",
        c.RoundTrip?.TotalMilliseconds,
        c.Loss,
        c.Streams,
        c.BytesIn,
        c.BytesOut,
        Security,
        Muxer,
        c.ObservedAddress?.ToString(),
        (time.GetUtcNow() - c.OpenedAt).TotalSeconds);

    private IEnumerable<PeerDocument.PathRow> Known(PeerId peer, PeerConnectionInfo[] connections)
    {
        foreach (KnownAddress known in network.Host.DescribeAddresses(peer))
        {
            if (connections.Any(c => c.IsOutbound && c.RemoteAddress.WithoutPeer().Equals(known.Address)))
            {
                continue;
            }

            yield return new PeerDocument.PathRow(
                known.Address.ToString(),
                PeerReporter.Path(known.Address.IsRelayed),
                PeerReporter.Via(known.Address),
                known.WorkedAt is null ? "announced" : "worked",
                known.WorkedAt is not null,
                null, null, null, null, null, null, null, null, null,
                (time.GetUtcNow() - known.WorkedAt)?.TotalSeconds);
        }
    }

    private PeerDocument.GossipState? Gossip(PeerId peer)
    {
        GossipsubSnapshot snapshot = network.Gossip.Snapshot();
        return snapshot.Peers.FirstOrDefault(p => p.Peer == peer) is { } known
            ? new PeerDocument.GossipState(
                known.Protocol, known.Score.Total, known.Topics, [.. snapshot.Topics.Where(t => t.IsSubscribed && t.Mesh.Contains(peer)).Select(t => t.Topic)])
            : null;
    }

    private PeerDocument.DhtState? Dht(PeerId peer)
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach (KadBucketSnapshot bucket in network.Dht.Snapshot().Buckets)
        {
            if (bucket.Peers.FirstOrDefault(e => e.Peer == peer) is { } entry)
            {
                return new PeerDocument.DhtState(bucket.CommonPrefixLength, (now - entry.AddedAt).TotalSeconds, (now - entry.LastAnswer).TotalSeconds);
            }
        }

        return null;
    }

    private PeerDocument.AttestationState? Attestation(PeerId peer, VerifiedOffer? offer)
    {
        Appraisal? appraisal = book.FindHistory(peer)?.LastAppraisal;
        return appraisal is null && offer is null
            ? null
            : new PeerDocument.AttestationState(
                appraisal?.Verdict,
                (time.GetUtcNow() - appraisal?.At)?.TotalSeconds,
                offer?.Offer.Tier,
                offer?.Offer.EvidenceKind,
                offer is null ? null : Convert.ToHexStringLower(offer.Offer.EvidenceDigest.Span));
    }

    private PeerDocument.HistoryState? History(PeerId peer) => book.FindHistory(peer) is { } h
        ? new PeerDocument.HistoryState(
            h.Answers, h.Failures, h.FailuresByReason, Math.Round(h.Reliability, 4), h.TimeToFirstToken?.TotalMilliseconds, h.TokensPerSecond)
        : null;
}
