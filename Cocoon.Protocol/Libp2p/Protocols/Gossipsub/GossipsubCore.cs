using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>The rules of gossipsub behind one lock: what streams, workers and the heartbeat call.</summary>
/// <remarks>Thread-safe; nothing in here waits. Sending is queueing on <see cref="GossipPeer.Queue"/>.</remarks>
internal sealed class GossipsubCore
{
    private readonly Lock _gate = new();
    private readonly GossipsubState _state;
    private readonly ControlRules _control;
    private readonly MeshHeartbeat _heartbeat;
    private readonly MessagePropagation _propagation;
    private readonly MessageArrivals _arrivals;

    public GossipsubCore(PeerId local, GossipsubOptions options, TimeProvider time)
    {
        _state = new GossipsubState(local, options, time);
        _control = new ControlRules(_state);
        _heartbeat = new MeshHeartbeat(_state);
        _propagation = new MessagePropagation(_state, _heartbeat);
        _arrivals = new MessageArrivals(_state, _propagation);
    }

    /// <summary>A peer came into a topic's mesh, or left it. Called under the lock.</summary>
    public Action<PeerId, string, bool>? MeshChanged
    {
        init => _state.MeshChanged = value;
    }

    private GossipsubOptions Options => _state.Options;

    /// <summary>Whether there are fewer peers than a mesh may have.</summary>
    public bool WantsPeers()
    {
        lock (_gate)
        {
            return _state.Peers.Count < Options.DegreeHigh;
        }
    }

    /// <summary>Begins or continues to know a connected peer; <c>null</c> when it is graylisted or there are too many.</summary>
    public GossipPeer? Attach(PeerId peer, bool isOutbound, string? address)
    {
        lock (_gate)
        {
            if (_state.Peers.TryGetValue(peer, out GossipPeer? known))
            {
                return known;
            }

            double score = _state.Score.Of(peer);
            if (_state.Peers.Count >= Options.MaxPeers || score < Options.Score.GraylistThreshold)
            {
                return null;
            }

            GossipPeer added = new(peer, isOutbound, new GossipSendQueue(Options.SendQueueMessages, Options.SendQueueBytes));
            _state.Peers.Add(peer, added);
            _state.Score.AddPeer(peer, address);
            added.Score = _state.Score.Of(peer);
            return added;
        }
    }

    public void Detach(PeerId peer)
    {
        lock (_gate)
        {
            if (_state.Peers.Remove(peer, out GossipPeer? known))
            {
                _state.Detach(known);
                _state.Promises.Forget(peer);
                _state.Score.RemovePeer(peer);
                known.Protocol = null;
            }
        }
    }

    /// <summary>Our stream to the peer is open: the first thing it carries is the list of our subscriptions.</summary>
    public void OutboundOpened(GossipPeer peer, string protocol)
    {
        lock (_gate)
        {
            peer.Queue.Clear();
            peer.Protocol = protocol;
            foreach (string topic in _state.Topics.Keys)
            {
                peer.Queue.Subscription(topic, true);
            }
        }
    }

    public void OutboundClosed(GossipPeer peer)
    {
        lock (_gate)
        {
            peer.Protocol = null;
            _state.Detach(peer);
            peer.Queue.Clear();
        }
    }

    /// <returns>The stream that the new one replaces.</returns>
    public IPeerStream? InboundOpened(GossipPeer peer, IPeerStream stream)
    {
        lock (_gate)
        {
            IPeerStream? old = peer.Inbound;
            peer.Inbound = stream;
            return old;
        }
    }

    public void InboundClosed(GossipPeer peer, IPeerStream stream)
    {
        lock (_gate)
        {
            if (peer.Inbound == stream)
            {
                peer.Inbound = null;
            }
        }
    }

    /// <summary>Whether RPCs of the peer are read at all.</summary>
    public bool IsGraylisted(GossipPeer peer)
    {
        lock (_gate)
        {
            return peer.Score < Options.Score.GraylistThreshold;
        }
    }

    /// <summary>Peers that crossed the graylist threshold and are still attached.</summary>
    public List<PeerId> Graylisted()
    {
        lock (_gate)
        {
            return [.. _state.Peers.Values.Where(peer => peer.Score < Options.Score.GraylistThreshold).Select(peer => peer.Peer)];
        }
    }

    /// <summary>The peer broke the wire format.</summary>
    public void Violation(GossipPeer peer, double amount)
    {
        lock (_gate)
        {
            _state.Penalize(peer, amount);
        }
    }

    /// <returns>Messages that must be verified and validated.</returns>
    public List<PendingMessage> OnRpc(GossipPeer peer, GossipRpc rpc, int size)
    {
        lock (_gate)
        {
            _state.Counters.BytesIn += size;
            List<PendingMessage> pending = [];
            if (!_state.Peers.ContainsKey(peer.Peer) || peer.Score < Options.Score.GraylistThreshold)
            {
                return pending;
            }

            _control.OnSubscriptions(peer, rpc.Subscriptions);
            foreach (GossipMessage message in rpc.Publish)
            {
                if (_arrivals.OnMessage(peer, message) is { } arrival)
                {
                    pending.Add(arrival);
                }
            }

            _control.OnControl(peer, rpc);
            return pending;
        }
    }

    public void Throttled(PendingMessage message)
    {
        lock (_gate)
        {
            _arrivals.Throttled(message);
        }
    }

    /// <returns>The subscription whose validator decides, or <c>null</c> when nothing remains to be done.</returns>
    public GossipTopic? OnVerified(PendingMessage message, bool valid)
    {
        lock (_gate)
        {
            return _arrivals.OnVerified(message, valid);
        }
    }

    public void OnValidated(PendingMessage message, ValidationResult result)
    {
        lock (_gate)
        {
            _arrivals.OnValidated(message, result);
        }
    }

    public void Beat()
    {
        lock (_gate)
        {
            _heartbeat.Beat();
        }
    }

    /// <exception cref="InvalidOperationException">There is a subscription already.</exception>
    public void Join(GossipTopic topic)
    {
        lock (_gate)
        {
            if (!_state.Topics.TryAdd(topic.Name, topic))
            {
                throw new InvalidOperationException($"Topic '{topic.Name}' is subscribed already.");
            }

            foreach (GossipPeer peer in _state.Peers.Values)
            {
                peer.Queue.Subscription(topic.Name, true);
            }

            if (_state.Fanout.Remove(topic.Name, out GossipFanout? fanout))
            {
                foreach (GossipPeer peer in fanout.Peers.Where(peer => peer.Score >= 0 && peer.CanSend))
                {
                    _state.Graft(topic, peer);
                    peer.Queue.Graft(topic.Name);
                }
            }

            _heartbeat.Fill(topic);
        }
    }

    public void Leave(GossipTopic topic)
    {
        lock (_gate)
        {
            if (!_state.Topics.TryGetValue(topic.Name, out GossipTopic? current) || current != topic)
            {
                return;
            }

            foreach (GossipPeer peer in topic.Mesh.ToList())
            {
                _state.Prune(topic, peer, Options.UnsubscribeBackoff);
            }

            _state.Topics.Remove(topic.Name);
            foreach (GossipPeer peer in _state.Peers.Values)
            {
                peer.Queue.Subscription(topic.Name, false);
            }
        }
    }

    public int Publish(GossipMessage message)
    {
        lock (_gate)
        {
            return _propagation.Publish(message);
        }
    }

    public double ScoreOf(PeerId peer)
    {
        lock (_gate)
        {
            return _state.Score.Of(peer);
        }
    }

    public bool HasMesh(string topic)
    {
        lock (_gate)
        {
            return _state.Topics.TryGetValue(topic, out GossipTopic? joined) && joined.Mesh.Count >= Options.DegreeLow;
        }
    }

    public IReadOnlyList<PeerId> SubscribersOf(string topic)
    {
        lock (_gate)
        {
            return [.. _state.Peers.Values.Where(peer => peer.CanSend && peer.Topics.Contains(topic)).Select(peer => peer.Peer)];
        }
    }

    public void CountSent(int bytes) => Interlocked.Add(ref _state.Counters.BytesOut, bytes);

    public GossipsubSnapshot Snapshot()
    {
        lock (_gate)
        {
            return GossipsubSnapshot.Of(_state);
        }
    }
}
