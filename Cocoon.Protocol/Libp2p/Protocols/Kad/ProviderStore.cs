using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Who said of itself that it provides a key.</summary>
/// <remarks>
/// Thread-safe. Bounded in keys, providers of a key, and time. When a key has all the providers it may have, the address group
/// with most of them gives up its oldest, so that one owner cannot push the others out.
/// </remarks>
internal sealed class ProviderStore(PeerId local, KadOptions options, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly DistanceBoundedMap<List<Entry>> _keys = new(KadId.Of(local), options.MaxProviderKeys);
    private readonly GroupShares _shares = new(options.MaxProviderKeys);

    public int KeyCount
    {
        get
        {
            lock (_gate)
            {
                return _keys.Count;
            }
        }
    }

    /// <param name="group">The address group the provider was seen in.</param>
    /// <returns><c>false</c> when the store is full of keys nearer to us, or the group has its share of it.</returns>
    public bool Add(ReadOnlySpan<byte> key, PeerId provider, IReadOnlyList<Multiaddr> addresses, string? group)
    {
        KadId id = KadId.Of(key);
        lock (_gate)
        {
            bool isKnown = _keys.TryGet(id, out List<Entry>? entries);
            bool isRenewed = isKnown && entries!.RemoveAll(entry => entry.Provider == provider) > 0;
            if ((!isRenewed && !_shares.TryTake(group)) || (!isKnown && !_keys.TrySet(id, entries = [])))
            {
                return false;
            }

            if (entries!.Count >= options.MaxProvidersPerKey)
            {
                entries.Remove(entries.GroupBy(entry => entry.Group).MaxBy(same => same.Count())!.MinBy(entry => entry.AddedAt)!);
            }

            entries.Add(new Entry(provider, addresses, group, time.GetUtcNow()));
            return true;
        }
    }

    public void Remove(ReadOnlySpan<byte> key, PeerId provider)
    {
        KadId id = KadId.Of(key);
        lock (_gate)
        {
            if (_keys.TryGet(id, out List<Entry>? entries) && entries.RemoveAll(entry => entry.Provider == provider) > 0 && entries.Count == 0)
            {
                _keys.Remove(id);
            }
        }
    }

    public List<KadPeer> Get(ReadOnlySpan<byte> key)
    {
        lock (_gate)
        {
            if (!_keys.TryGet(KadId.Of(key), out List<Entry>? entries))
            {
                return [];
            }

            DateTimeOffset now = time.GetUtcNow();
            return
            [
                .. entries.Where(entry => entry.AddedAt + options.ProviderTimeToLive > now).Select(entry => new KadPeer(
                    entry.Provider, entry.AddedAt + options.ProviderAddressTimeToLive > now ? entry.Addresses : [])),
            ];
        }
    }

    public void Expire()
    {
        DateTimeOffset now = time.GetUtcNow();
        lock (_gate)
        {
            foreach ((KadId key, List<Entry> entries) in _keys.Items.ToList())
            {
                entries.RemoveAll(entry => entry.AddedAt + options.ProviderTimeToLive <= now);
                if (entries.Count == 0)
                {
                    _keys.Remove(key);
                }
            }

            _shares.Recount(_keys.Items.SelectMany(key => key.Value).Select(entry => entry.Group));
        }
    }

    private sealed record Entry(PeerId Provider, IReadOnlyList<Multiaddr> Addresses, string? Group, DateTimeOffset AddedAt);
}
