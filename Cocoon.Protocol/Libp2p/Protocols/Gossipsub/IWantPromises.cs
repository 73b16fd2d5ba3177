using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Protocols.Gossipsub;

/// <summary>Messages that peers announced and we asked for: who does not deliver in time, announced what it does not have.</summary>
/// <remarks>Not thread-safe. One random id of each request is followed, as in go-libp2p: enough to catch liars, cheap for us.</remarks>
internal sealed class IWantPromises(TimeSpan timeout, TimeProvider time)
{
    private const int MaxPromises = 4096;

    private readonly Dictionary<MessageId, Dictionary<PeerId, DateTimeOffset>> _promises = [];

    public void Add(MessageId id, PeerId peer)
    {
        if (!_promises.TryGetValue(id, out Dictionary<PeerId, DateTimeOffset>? peers))
        {
            if (_promises.Count >= MaxPromises)
            {
                return;
            }

            _promises.Add(id, peers = []);
        }

        peers.TryAdd(peer, time.GetUtcNow() + timeout);
    }

    /// <summary>The message came, from whomever: nobody is asked for it any more.</summary>
    public void Fulfil(MessageId id) => _promises.Remove(id);

    public void Forget(PeerId peer)
    {
        foreach ((MessageId id, Dictionary<PeerId, DateTimeOffset> peers) in _promises)
        {
            if (peers.Remove(peer) && peers.Count == 0)
            {
                _promises.Remove(id);
            }
        }
    }

    /// <summary>Takes out the promises that are overdue, counted by peer.</summary>
    public Dictionary<PeerId, int> TakeBroken()
    {
        DateTimeOffset now = time.GetUtcNow();
        Dictionary<PeerId, int> broken = [];
        foreach ((MessageId id, Dictionary<PeerId, DateTimeOffset> peers) in _promises)
        {
            foreach ((PeerId peer, DateTimeOffset due) in peers)
            {
                if (due <= now)
                {
                    broken[peer] = broken.GetValueOrDefault(peer) + 1;
                    peers.Remove(peer);
                }
            }

            if (peers.Count == 0)
            {
                _promises.Remove(id);
            }
        }

        return broken;
    }
}
