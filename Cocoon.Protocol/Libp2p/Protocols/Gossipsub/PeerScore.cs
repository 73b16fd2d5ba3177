using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The gossipsub v1.1 score of each peer, P1 to P7, and the delivery records that feed it.</summary>
/// <remarks>
/// Not thread-safe: the router calls it under its lock. Counters survive a reconnect, so leaving and coming back washes
/// nothing off; only a peer that leaves with a positive score, or with nothing at all against it, is forgotten at once.
/// </remarks>
internal sealed class PeerScore(PeerScoreOptions options, TimeProvider time)
{
    private readonly Dictionary<PeerId, PeerScoreState> _peers = [];
    private readonly Dictionary<string, int> _addresses = [];
    private readonly DeliveryRecords _deliveries = new(time);
    private DateTimeOffset _lastDecay = time.GetUtcNow();
    private int _retained;

    /// <summary>Peers with a record: those that are connected, and those that left with something against them.</summary>
    public int Count => _peers.Count;

    /// <param name="address">The remote address the peer is counted under for P6; <c>null</c> exempts it.</param>
    public void AddPeer(PeerId peer, string? address)
    {
        if (!_peers.TryGetValue(peer, out PeerScoreState? state))
        {
            _peers.Add(peer, state = new PeerScoreState());
        }
        else if (state.Expires is not null)
        {
            state.Expires = null;
            _retained--;
        }

        SetAddress(state, address);
    }

    public void RemovePeer(PeerId peer)
    {
        if (!_peers.TryGetValue(peer, out PeerScoreState? state) || state.Expires is not null)
        {
            return;
        }

        bool forget = Of(peer) > 0 || _retained >= options.MaxRetained;
        SetAddress(state, null);
        bool isClean = state.Behaviour == 0;
        foreach ((string topic, TopicScoreState counters) in state.Topics)
        {
            counters.FirstDeliveries = 0;
            LeaveMesh(counters, Parameters(topic));
            isClean &= counters is { MeshFailure: 0, Invalid: 0 };
        }

        // Most connections are made for one request to the DHT: their peers leave no trace.
        if (forget || isClean)
        {
            _peers.Remove(peer);
            return;
        }

        state.Expires = time.GetUtcNow() + options.RetainScore;
        _retained++;
    }

    public void Graft(PeerId peer, string topic)
    {
        if (TopicState(peer, topic) is { } counters)
        {
            counters.GraftedAt = time.GetUtcNow();
            counters.MeshDeliveriesActive = false;
        }
    }

    public void Prune(PeerId peer, string topic)
    {
        if (_peers.TryGetValue(peer, out PeerScoreState? state) && state.Topics.TryGetValue(topic, out TopicScoreState? counters))
        {
            LeaveMesh(counters, Parameters(topic));
        }
    }

    /// <summary>The message's signature holds and its validation begins.</summary>
    public void Begin(MessageId id) => _deliveries.Begin(id);

    /// <summary>The message was accepted; <paramref name="first"/> brought it, others may have brought it meanwhile.</summary>
    public void Accept(MessageId id, string topic, PeerId first)
    {
        CountFirstDelivery(first, topic);
        foreach (PeerId other in _deliveries.Finish(id, DeliveryStatus.Valid))
        {
            if (other != first)
            {
                CountMeshDelivery(other, topic);
            }
        }
    }

    /// <summary>The message was refused as invalid: everybody who brought it before that was known is charged.</summary>
    public void Reject(MessageId id, string topic, PeerId first)
    {
        CountInvalid(first, topic);
        foreach (PeerId other in _deliveries.Finish(id, DeliveryStatus.Invalid))
        {
            if (other != first)
            {
                CountInvalid(other, topic);
            }
        }
    }

    /// <summary>A message with a wrong signature or shape: only its sender is charged, for nobody else's is proven bad.</summary>
    public void RejectUnsigned(string topic, PeerId sender) => CountInvalid(sender, topic);

    /// <summary>The message was dropped without a judgement.</summary>
    public void Ignore(MessageId id) => _deliveries.Finish(id, DeliveryStatus.Ignored);

    public void Duplicate(MessageId id, string topic, PeerId peer)
    {
        TopicScoreOptions parameters = Parameters(topic);
        switch (_deliveries.Duplicate(id, peer, out TimeSpan sinceValidated))
        {
            case DeliveryStatus.Valid when sinceValidated <= parameters.MeshDeliveriesWindow:
                CountMeshDelivery(peer, topic);
                break;
            case DeliveryStatus.Invalid:
                CountInvalid(peer, topic);
                break;
            default:
                break;
        }
    }

    /// <summary>P7.</summary>
    public void Penalize(PeerId peer, double amount)
    {
        if (_peers.TryGetValue(peer, out PeerScoreState? state))
        {
            state.Behaviour += amount;
        }
    }

    /// <summary>0 for a peer never seen.</summary>
    public double Of(PeerId peer) => _peers.TryGetValue(peer, out PeerScoreState? state) ? Explain(peer, state).Total : 0;

    public ScoreBreakdown Explain(PeerId peer) =>
        _peers.TryGetValue(peer, out PeerScoreState? state) ? Explain(peer, state) : default;

    /// <summary>Applies the decay for the time passed and forgets expired peers; called at each heartbeat.</summary>
    public void Refresh()
    {
        DateTimeOffset now = time.GetUtcNow();
        _deliveries.Expire(now);
        int steps = (int)Math.Min(1000, (now - _lastDecay) / options.DecayInterval);
        if (steps <= 0)
        {
            return;
        }

        _lastDecay += options.DecayInterval * steps;
        List<PeerId>? expired = null;
        foreach ((PeerId peer, PeerScoreState state) in _peers)
        {
            if (state.Expires is { } expires)
            {
                // A retained score does not decay: staying away must not be a way to get rid of it.
                if (expires <= now)
                {
                    (expired ??= []).Add(peer);
                }

                continue;
            }

            state.Behaviour = Decay(state.Behaviour, options.BehaviourDecay, steps);
            foreach ((string topic, TopicScoreState counters) in state.Topics)
            {
                TopicScoreOptions parameters = Parameters(topic);
                counters.FirstDeliveries = Decay(counters.FirstDeliveries, parameters.FirstDeliveriesDecay, steps);
                counters.MeshDeliveries = Decay(counters.MeshDeliveries, parameters.MeshDeliveriesDecay, steps);
                counters.MeshFailure = Decay(counters.MeshFailure, parameters.MeshFailureDecay, steps);
                counters.Invalid = Decay(counters.Invalid, parameters.InvalidMessagesDecay, steps);
                counters.MeshDeliveriesActive |= counters.GraftedAt is { } since && now - since > parameters.MeshDeliveriesActivation;
            }
        }

        foreach (PeerId peer in expired ?? [])
        {
            _peers.Remove(peer);
            _retained--;
        }
    }

    private static void LeaveMesh(TopicScoreState counters, TopicScoreOptions parameters)
    {
        if (counters.GraftedAt is not null && counters.MeshDeliveriesActive)
        {
            double deficit = Math.Max(0, parameters.MeshDeliveriesThreshold - counters.MeshDeliveries);
            counters.MeshFailure += deficit * deficit;
        }

        counters.GraftedAt = null;
        counters.MeshDeliveriesActive = false;
    }

    private double Decay(double value, double factor, int steps)
    {
        double decayed = value * (steps == 1 ? factor : Math.Pow(factor, steps));
        return decayed < options.DecayToZero ? 0 : decayed;
    }

    private TopicScoreOptions Parameters(string topic) => options.Topics.GetValueOrDefault(topic) ?? options.Topic;

    private TopicScoreState? TopicState(PeerId peer, string topic)
    {
        if (!_peers.TryGetValue(peer, out PeerScoreState? state))
        {
            return null;
        }

        if (!state.Topics.TryGetValue(topic, out TopicScoreState? counters))
        {
            state.Topics.Add(topic, counters = new TopicScoreState());
        }

        return counters;
    }

    private void CountFirstDelivery(PeerId peer, string topic)
    {
        if (TopicState(peer, topic) is { } counters)
        {
            TopicScoreOptions parameters = Parameters(topic);
            counters.FirstDeliveries = Math.Min(parameters.FirstDeliveriesCap, counters.FirstDeliveries + 1);
            CountMeshDelivery(peer, topic);
        }
    }

    private void CountMeshDelivery(PeerId peer, string topic)
    {
        if (TopicState(peer, topic) is { GraftedAt: not null } counters)
        {
            counters.MeshDeliveries = Math.Min(Parameters(topic).MeshDeliveriesCap, counters.MeshDeliveries + 1);
        }
    }

    private void CountInvalid(PeerId peer, string topic)
    {
        if (TopicState(peer, topic) is { } counters)
        {
            counters.Invalid++;
        }
    }

    private void SetAddress(PeerScoreState state, string? address)
    {
        if (state.Address is { } old && --_addresses[old] == 0)
        {
            _addresses.Remove(old);
        }

        state.Address = address;
        if (address is not null)
        {
            _addresses[address] = _addresses.GetValueOrDefault(address) + 1;
        }
    }

    private ScoreBreakdown Explain(PeerId peer, PeerScoreState state)
    {
        double p1 = 0, p2 = 0, p3 = 0, p3b = 0, p4 = 0;
        DateTimeOffset now = time.GetUtcNow();
        foreach ((string topic, TopicScoreState counters) in state.Topics)
        {
            TopicScoreOptions parameters = Parameters(topic);
            if (counters.GraftedAt is { } since)
            {
                double quanta = Math.Min(parameters.TimeInMeshCap, (now - since) / parameters.TimeInMeshQuantum);
                p1 += parameters.Weight * parameters.TimeInMeshWeight * quanta;
            }

            p2 += parameters.Weight * parameters.FirstDeliveriesWeight * counters.FirstDeliveries;
            if (counters.MeshDeliveriesActive && counters.MeshDeliveries < parameters.MeshDeliveriesThreshold)
            {
                double deficit = parameters.MeshDeliveriesThreshold - counters.MeshDeliveries;
                p3 += parameters.Weight * parameters.MeshDeliveriesWeight * deficit * deficit;
            }

            p3b += parameters.Weight * parameters.MeshFailureWeight * counters.MeshFailure;
            p4 += parameters.Weight * parameters.InvalidMessagesWeight * counters.Invalid * counters.Invalid;
        }

        double p5 = options.ApplicationScore is { } application ? options.ApplicationWeight * application(peer) : 0;
        int colocated = state.Address is { } address ? _addresses[address] - options.IpColocationThreshold : 0;
        double p6 = colocated > 0 ? options.IpColocationWeight * colocated * colocated : 0;
        double excess = Math.Max(0, state.Behaviour - options.BehaviourThreshold);
        double p7 = options.BehaviourWeight * excess * excess;
        double total = Math.Min(options.TopicScoreCap, p1 + p2 + p3 + p3b + p4) + p5 + p6 + p7;
        return new ScoreBreakdown(total, p1, p2, p3, p3b, p4, p5, p6, p7);
    }
}

/// <summary>A score and its weighted parts; the topics' sum is capped, so the parts may add up to more.</summary>
public readonly record struct ScoreBreakdown(
    double Total, double P1, double P2, double P3, double P3b, double P4, double P5, double P6, double P7);
