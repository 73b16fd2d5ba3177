using Cocoon.Node.Control;
using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.PortMapping;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Diagnostics;

/// <summary>Writes the tape: listens to the parts of the node that have events and looks once a second at those that have none.</summary>
internal sealed class EventRecorder(
    EventFeed feed, PeerNetwork network, OfferBook book, OfferGossip gossip, GatewayMapping mapping, MoneyWatch money, TimeProvider time, ServingMetrics? serving = null) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Peer, string Model), (VerifiedOffer Offer, string Terms)> _offers = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        network.Host.PeerChanged += OnPeer;
        book.Changed += OnOffer;
        book.Observed += OnObserved;
        gossip.Judged += OnGossip;
        mapping.Changed += OnMapping;
        if (serving is not null)
        {
            serving.Ended += OnEnded;
            serving.Refused += OnRefused;
        }

        try
        {
            using PeriodicTimer timer = new(Look, time);
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                ExpireOffers();
                money.Look(feed);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
        finally
        {
            network.Host.PeerChanged -= OnPeer;
            book.Changed -= OnOffer;
            book.Observed -= OnObserved;
            gossip.Judged -= OnGossip;
            mapping.Changed -= OnMapping;
            if (serving is not null)
            {
                serving.Ended -= OnEnded;
                serving.Refused -= OnRefused;
            }
        }
    }

    private void OnPeer(PeerEvent change)
    {
        string peer = change.Peer.ToString();
        switch (change)
        {
            case PeerEvent.Connected connected:
                feed.Publish("peer_joined", peer, ("direction", connected.IsOutbound ? "out" : "in"));
                break;
            case PeerEvent.Disconnected:
                feed.Publish("peer_left", peer);
                break;
            case PeerEvent.Identified identified:
                string? agent = network.Host.Connections.FirstOrDefault(c => c.Peer == change.Peer)?.AgentVersion;
                feed.Publish("peer_identified", peer, ("agent", agent), ("protocols", identified.Protocols.Count));
                break;
        }
    }

    private void OnOffer(VerifiedOffer offer)
    {
        (string Peer, string Model) key = (offer.Peer.ToString(), offer.ModelIdHex);
        string terms = Terms(offer.Offer);
        string? type;
        lock (_lock)
        {
            bool known = _offers.TryGetValue(key, out (VerifiedOffer Offer, string Terms) before);
            type = (offer.IsWithdrawal, known) switch
            {
                (true, true) => "offer_withdrawn",
                (true, false) => null,
                (false, false) => "offer_heard",
                (false, true) => before.Terms == terms ? null : "offer_changed",
            };
            if (offer.IsWithdrawal)
            {
                _offers.Remove(key);
            }
            else
            {
                _offers[key] = (offer, terms);
            }
        }

        if (type is not null)
        {
            PublishOffer(type, offer);
        }
    }

    private void ExpireOffers()
    {
        DateTimeOffset now = time.GetUtcNow();
        VerifiedOffer[] expired;
        lock (_lock)
        {
            expired = [.. _offers.Values.Where(o => o.Offer.ExpiresAt <= now).Select(o => o.Offer)];
            foreach (VerifiedOffer offer in expired)
            {
                _offers.Remove((offer.Peer.ToString(), offer.ModelIdHex));
            }
        }

        foreach (VerifiedOffer offer in expired)
        {
            PublishOffer("offer_expired", offer);
        }
    }

    private void PublishOffer(string type, VerifiedOffer offer) => feed.Publish(
        type,
        offer.Peer.ToString(),
        ("model", offer.Offer.ModelName),
        ("model_id", offer.ModelIdHex),
        ("tier", offer.Offer.Tier),
        ("price_prompt", ControlJson.Nanoton(offer.Offer.Prices.Prompt)),
        ("price_completion", ControlJson.Nanoton(offer.Offer.Prices.Completion)),
        ("slots_total", offer.Offer.SlotsTotal));

    /// <summary>What a change of is worth an event: not the load, which moves with every request.</summary>
    private static string Terms(Offer offer) =>
        $"{offer.Prices.Prompt}/{offer.Prices.Cached}/{offer.Prices.Completion}/{offer.SlotsTotal}/{offer.Tier}/{offer.EvidenceKind}/{offer.ContextTokens}/{offer.ModelName}";

    private void OnObserved(ProviderOutcome outcome)
    {
        if (outcome.Failure is { } reason)
        {
            feed.Publish("request_failed", outcome.Peer.ToString(), ("reason", reason));
        }
        else
        {
            feed.Publish(
                "request_answered", outcome.Peer.ToString(), ("ttft_ms", outcome.TimeToFirstToken?.TotalMilliseconds), ("tokens_per_second", outcome.TokensPerSecond));
        }
    }

    private void OnMapping(PortMappingState state) => feed.Publish(
        "port_mapping", null, ("external", state.Mapping?.External.ToString()), ("protocol", state.Mapping?.Protocol.ToString().ToLowerInvariant()));

    private void OnEnded(string outcome, ulong due) => feed.Publish("session_ended", null, ("outcome", outcome), ("due_nanoton", ControlJson.Nanoton(due)));

    private void OnRefused(DeclineReason reason) => feed.Publish("session_declined", null, ("reason", DeclineWords.Of(reason)));

    /// <summary>Only while somebody watches: refreshed offers are the noise floor of the network.</summary>
    private void OnGossip(TopicMessage message, ValidationResult result)
    {
        if (feed.IsWatched)
        {
            feed.Publish(
                "gossip",
                message.From.ToString(),
                ("topic", message.Topic),
                ("received_from", message.ReceivedFrom.ToString()),
                ("verdict", result.ToString().ToLowerInvariant()),
                ("bytes", message.Data.Length),
                ("message_sequence", message.SequenceNumber.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        }
    }
}
