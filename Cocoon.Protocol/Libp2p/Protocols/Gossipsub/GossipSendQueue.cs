using System.Runtime.InteropServices;
using System.Threading.Channels;
using Cocoon.Protocol.Buffers;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>What waits to be sent to one peer, merged: control by topic, ids in bounded lists, messages in a bounded queue.</summary>
/// <remarks>
/// Thread-safe with a lock of its own, taken after the router's. Subscriptions, GRAFT and PRUNE are never lost (their number is
/// bounded by our topics); when the peer is slow, gossip is dropped first, then messages.
/// </remarks>
internal sealed class GossipSendQueue(int maxMessages, int maxBytes)
{
    private const int MaxIds = 5000;

    /// <summary>Keeps one RPC's control part far below any reader's limit.</summary>
    private const int IdsPerRpc = 512;

    private readonly Lock _gate = new();
    private readonly Channel<bool> _signal =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    private readonly Dictionary<string, bool> _subscriptions = [];
    private readonly Dictionary<string, TimeSpan?> _grafts = [];
    private readonly List<MessageId> _dontWant = [];
    private readonly List<MessageId> _want = [];
    private readonly Dictionary<string, List<MessageId>> _have = [];
    private readonly Queue<ReadOnlyMemory<byte>> _messages = new();
    private int _messageBytes;

    public int MessageCount
    {
        get
        {
            lock (_gate)
            {
                return _messages.Count;
            }
        }
    }

    public void Subscription(string topic, bool subscribe)
    {
        lock (_gate)
        {
            _subscriptions[topic] = subscribe;
        }

        Signal();
    }

    public void Graft(string topic)
    {
        lock (_gate)
        {
            _grafts[topic] = null;
        }

        Signal();
    }

    public void Prune(string topic, TimeSpan backoff)
    {
        lock (_gate)
        {
            _grafts[topic] = backoff;
        }

        Signal();
    }

    /// <summary>Replaces an announcement of the topic that is still waiting: the newer one covers more.</summary>
    public void IHave(string topic, List<MessageId> ids)
    {
        lock (_gate)
        {
            _have[topic] = ids;
        }

        Signal();
    }

    public void IWant(IEnumerable<MessageId> ids)
    {
        lock (_gate)
        {
            _want.AddRange(ids.Take(MaxIds - _want.Count));
        }

        Signal();
    }

    public void IDontWant(MessageId id)
    {
        lock (_gate)
        {
            if (_dontWant.Count < MaxIds)
            {
                _dontWant.Add(id);
            }
        }

        Signal();
    }

    /// <summary><c>false</c> when the peer is too slow and the message was dropped.</summary>
    public bool Message(ReadOnlyMemory<byte> raw)
    {
        lock (_gate)
        {
            if (_messages.Count >= maxMessages || _messageBytes + raw.Length > maxBytes)
            {
                _have.Clear();
                return false;
            }

            _messages.Enqueue(raw);
            _messageBytes += raw.Length;
        }

        Signal();
        return true;
    }

    /// <summary>Waits until something may be queued.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _signal.Reader.ReadAsync(cancellationToken);

    /// <summary>Forgets everything; a new stream begins with the full list of subscriptions.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _subscriptions.Clear();
            _grafts.Clear();
            _dontWant.Clear();
            _want.Clear();
            _have.Clear();
            _messages.Clear();
            _messageBytes = 0;
        }
    }

    /// <summary>Moves one RPC's worth into <paramref name="rpc"/>; <c>false</c> when nothing waits.</summary>
    /// <param name="limit">Size at which no further message is added; a single larger message still goes alone.</param>
    public bool TryDrain(PooledBufferWriter rpc, int limit)
    {
        lock (_gate)
        {
            foreach ((string topic, bool subscribe) in _subscriptions)
            {
                if (rpc.WrittenCount >= limit / 2)
                {
                    break;
                }

                GossipRpcWriter.WriteSubscription(rpc, topic, subscribe);
                _subscriptions.Remove(topic);
            }

            DrainControl(rpc, limit);
            bool first = rpc.WrittenCount == 0;
            while (_messages.TryPeek(out ReadOnlyMemory<byte> raw) && (first || rpc.WrittenCount + raw.Length + 8 <= limit))
            {
                GossipRpcWriter.WriteMessage(rpc, raw.Span);
                _messages.Dequeue();
                _messageBytes -= raw.Length;
                first = false;
            }

            return rpc.WrittenCount > 0;
        }
    }

    private void DrainControl(PooledBufferWriter rpc, int limit)
    {
        using PooledBufferWriter control = new();
        foreach ((string topic, TimeSpan? backoff) in _grafts)
        {
            if (rpc.WrittenCount + control.WrittenCount >= limit / 2)
            {
                break;
            }

            if (backoff is { } time)
            {
                GossipRpcWriter.WritePrune(control, topic, time);
            }
            else
            {
                GossipRpcWriter.WriteGraft(control, topic);
            }

            _grafts.Remove(topic);
        }

        if (Take(_dontWant) is { Length: > 0 } dontWant)
        {
            GossipRpcWriter.WriteIDontWant(control, dontWant);
        }

        if (Take(_want) is { Length: > 0 } want)
        {
            GossipRpcWriter.WriteIWant(control, want);
        }

        // Gossip only when no message waits: it may be late, they may not.
        if (_messages.Count == 0 && _have.Count > 0)
        {
            (string topic, List<MessageId> ids) = _have.First();
            GossipRpcWriter.WriteIHave(control, topic, Take(ids));
            if (ids.Count == 0)
            {
                _have.Remove(topic);
            }
        }

        if (control.WrittenCount > 0)
        {
            GossipRpcWriter.WriteControl(rpc, control.WrittenSpan);
        }
    }

    private static ReadOnlySpan<MessageId> Take(List<MessageId> ids)
    {
        int count = Math.Min(ids.Count, IdsPerRpc);
        MessageId[] taken = CollectionsMarshal.AsSpan(ids)[..count].ToArray();
        ids.RemoveRange(0, count);
        return taken;
    }

    private void Signal() => _signal.Writer.TryWrite(true);
}
