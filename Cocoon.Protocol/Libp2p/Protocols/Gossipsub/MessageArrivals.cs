using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>A message between arrival and judgement.</summary>
internal sealed class PendingMessage(GossipMessage message, GossipPeer receivedFrom, DateTimeOffset receivedAt)
{
    public GossipMessage Message { get; } = message;

    public GossipPeer ReceivedFrom { get; } = receivedFrom;

    public DateTimeOffset ReceivedAt { get; } = receivedAt;

    /// <summary>Peers that sent the very same bytes before the signature was checked.</summary>
    public HashSet<GossipPeer>? AlsoFrom { get; set; }
}

/// <summary>What happens to a message from arrival to judgement, as far as state and score go.</summary>
/// <remarks>
/// Under the router's lock. A message is marked as seen, and refused from others by IDONTWANT, only once its signature holds: with ids of
/// <c>from ++ seqno</c>, of which the next is known, anybody could otherwise suppress a message of somebody else by sending a forged one first.
/// </remarks>
internal sealed class MessageArrivals(GossipsubState state, MessagePropagation propagation)
{
    private readonly Dictionary<MessageId, PendingMessage> _verifying = [];
    private readonly Dictionary<GossipPeer, int> _perPeer = [];
    private readonly RateLimiter<PeerId> _unseen = new(state.Options.UnseenPerSecond, state.Options.UnseenBurst, state.Time);

    /// <returns>What is to be verified; <c>null</c> when the message was dealt with at once.</returns>
    public PendingMessage? OnMessage(GossipPeer peer, GossipMessage message)
    {
        if (!state.Topics.ContainsKey(message.Topic))
        {
            return null;
        }

        if (message.Data.Length > state.Options.MaxMessageBytes || !MessageSigning.HasStrictSignFields(message))
        {
            RejectUnsigned(peer, message.Topic);
            return null;
        }

        MessageId id = message.Id;
        state.Promises.Fulfil(id);
        if (state.Seen.Contains(id) || message.From.Span.SequenceEqual(state.Local.Bytes))
        {
            state.Counters.Duplicates++;
            state.Score.Duplicate(id, message.Topic, peer.Peer);
            return null;
        }

        if (_verifying.TryGetValue(id, out PendingMessage? other) && other.Message.Raw.Span.SequenceEqual(message.Raw.Span))
        {
            state.Counters.Duplicates++;
            if (other.ReceivedFrom != peer)
            {
                (other.AlsoFrom ??= []).Add(peer);
            }

            return null;
        }

        // One peer may fill a quarter of the queue: the others' messages must get through a flood. And what endless new signers sign is valid:
        // who brings more than an allowance of it goes unheard, but is not blamed, for he may only hand on. Others may bring the same message.
        int waiting = _perPeer.GetValueOrDefault(peer);
        if (waiting >= Math.Max(1, state.Options.ValidationQueue / 4) || !_unseen.TryTake(peer.Peer))
        {
            state.Counters.Throttled++;
            return null;
        }

        _perPeer[peer] = waiting + 1;
        PendingMessage pending = new(message.Detach(), peer, state.Time.GetUtcNow());
        if (other is null)
        {
            _verifying.Add(id, pending);
        }

        return pending;
    }

    /// <summary>The validation queue had no room; the message may come again.</summary>
    public void Throttled(PendingMessage pending)
    {
        state.Counters.Throttled++;
        Forget(pending);
    }

    /// <inheritdoc cref="GossipsubCore.OnVerified"/>
    public GossipTopic? OnVerified(PendingMessage pending, bool valid)
    {
        Forget(pending);
        GossipMessage message = pending.Message;
        if (!valid)
        {
            RejectUnsigned(pending.ReceivedFrom, message.Topic);
            foreach (GossipPeer peer in pending.AlsoFrom ?? [])
            {
                RejectUnsigned(peer, message.Topic);
            }

            return null;
        }

        if (!state.Seen.TryAdd(message.Id, pending.ReceivedAt))
        {
            state.Counters.Duplicates++;
            state.Score.Duplicate(message.Id, message.Topic, pending.ReceivedFrom.Peer);
            return null;
        }

        propagation.AnnounceArrival(pending);
        state.Score.Begin(message.Id);
        foreach (GossipPeer peer in pending.AlsoFrom ?? [])
        {
            state.Score.Duplicate(message.Id, message.Topic, peer.Peer);
        }

        return state.Topics.GetValueOrDefault(message.Topic);
    }

    public void OnValidated(PendingMessage pending, ValidationResult result)
    {
        GossipMessage message = pending.Message;
        PeerId sender = pending.ReceivedFrom.Peer;
        switch (result)
        {
            case ValidationResult.Accept:
                state.Counters.Delivered++;
                state.Score.Accept(message.Id, message.Topic, sender);
                propagation.Forward(message, pending.ReceivedFrom);
                break;
            case ValidationResult.Reject:
                state.Counters.Rejected++;
                state.Score.Reject(message.Id, message.Topic, sender);
                pending.ReceivedFrom.Score = state.Score.Of(sender);
                break;
            default:
                state.Counters.Ignored++;
                state.Score.Ignore(message.Id);
                break;
        }
    }

    private void RejectUnsigned(GossipPeer peer, string topic)
    {
        state.Counters.Rejected++;
        state.Score.RejectUnsigned(topic, peer.Peer);
        peer.Score = state.Score.Of(peer.Peer);
    }

    private void Forget(PendingMessage pending)
    {
        if (_verifying.TryGetValue(pending.Message.Id, out PendingMessage? current) && current == pending)
        {
            _verifying.Remove(pending.Message.Id);
        }

        if (--_perPeer[pending.ReceivedFrom] == 0)
        {
            _perPeer.Remove(pending.ReceivedFrom);
        }
    }
}
