using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Keeps our own provider records and values with the peers nearest to their keys.</summary>
/// <remarks>Thread-safe. What is published stays so until it is withdrawn or, for a value, until the network has a better one.</remarks>
internal sealed partial class KadPublisher(
    KademliaDht dht, ILibp2pHost host, KadOptions options, RecordStore records, KadRpc rpc, KadLookup lookup, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan _firstRetry = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<KadId, Publication> _provided = [];
    private readonly Dictionary<KadId, Publication> _values = [];

    public int ProvidedCount
    {
        get
        {
            lock (_gate)
            {
                return _provided.Count;
            }
        }
    }

    public async Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken)
    {
        Publication publication = Register(_provided, key, value: null);
        dht.StoreOwnProvider(key);
        int holders = await AnnounceAsync(key, cancellationToken);
        Reschedule(publication, holders, options.ReprovideInterval);
        return holders;
    }

    public void StopProviding(ReadOnlySpan<byte> key)
    {
        lock (_gate)
        {
            _provided.Remove(KadId.Of(key));
        }

        dht.ForgetOwnProvider(key);
    }

    public async Task<int> PutValueAsync(byte[] key, byte[] value, CancellationToken cancellationToken)
    {
        Publication publication = Register(_values, key, value);
        dht.StoreOwnValue(key, value);
        int holders = await StoreAsync(key, value, cancellationToken);
        Reschedule(publication, holders, options.RepublishInterval);
        return holders;
    }

    /// <summary>Gives holders of a worse value, or of none, the best one.</summary>
    public Task CorrectAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, IEnumerable<KadResponder> peers, CancellationToken cancellationToken) =>
        PutToAsync(key, value, peers, cancellationToken);

    /// <summary>Publishes again what is due.</summary>
    public async Task PublishDueAsync(CancellationToken cancellationToken)
    {
        foreach (Publication publication in TakeDue(_provided))
        {
            dht.StoreOwnProvider(publication.Key);
            Reschedule(publication, await AnnounceAsync(publication.Key, cancellationToken), options.ReprovideInterval);
        }

        foreach (Publication publication in TakeDue(_values))
        {
            await RepublishAsync(publication, cancellationToken);
        }
    }

    private async Task RepublishAsync(Publication publication, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte>? best = await dht.GetValueAsync(publication.Key, cancellationToken);
        if (best is { } current && !current.Span.SequenceEqual(publication.Value)
            && records.ValidatorOf(publication.Key)?.IsBetter(publication.Key, current.Span, publication.Value) == true)
        {
            lock (_gate)
            {
                _values.Remove(KadId.Of(publication.Key));
            }

            return;
        }

        dht.StoreOwnValue(publication.Key, publication.Value!);
        Reschedule(publication, await StoreAsync(publication.Key, publication.Value!, cancellationToken), options.RepublishInterval);
    }

    /// <summary>How many of the nearest peers hold the record afterwards: each is asked, for an ADD_PROVIDER has no answer.</summary>
    private async Task<int> AnnounceAsync(byte[] key, CancellationToken cancellationToken)
    {
        List<Multiaddr> addresses = [.. host.Addresses.Where(address => IpGroups.IsShareable(address, options.AllowLocalAddresses))];
        KadMessage message = new(KadMessageType.AddProvider) { Key = key, ProviderPeers = [new KadPeer(host.LocalPeer, addresses)] };
        IReadOnlyList<KadResponder> nearest = await lookup.FindClosestAsync(key, cancellationToken);
        return await CountAsync(nearest, peer => rpc.AnnounceAsync(peer, message, host.LocalPeer, cancellationToken));
    }

    private async Task<int> StoreAsync(byte[] key, byte[] value, CancellationToken cancellationToken) =>
        await PutToAsync(key, value, await lookup.FindClosestAsync(key, cancellationToken), cancellationToken);

    private async Task<int> PutToAsync(
        ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, IEnumerable<KadResponder> peers, CancellationToken cancellationToken)
    {
        KadMessage message = new(KadMessageType.PutValue) { Key = key, Record = new KadRecord(key, value) };
        return await CountAsync(peers, async peer =>
        {
            KadMessage answer = await rpc.AskAsync(peer, message, cancellationToken);
            return answer.Record is { } record && record.Value.Span.SequenceEqual(value.Span);
        });
    }

    /// <summary>For how many of the peers the action succeeded.</summary>
    private async Task<int> CountAsync(IEnumerable<KadResponder> peers, Func<PeerId, ValueTask<bool>> action)
    {
        int done = 0;
        foreach (KadResponder[] group in peers.Chunk(options.Parallelism))
        {
            bool[] results = await Task.WhenAll(group.Select(async peer =>
            {
                try
                {
                    return await action(peer.Peer);
                }
                catch (Exception exception) when (exception is IOException or KadException or ObjectDisposedException)
                {
                    Log.StoreFailed(logger, peer.Peer, exception.Message);
                    return false;
                }
            }));
            done += results.Count(static success => success);
        }

        return done;
    }

    private Publication Register(Dictionary<KadId, Publication> publications, byte[] key, byte[]? value)
    {
        Publication publication = new(key, value) { Next = time.GetUtcNow() + _firstRetry };
        lock (_gate)
        {
            publications[KadId.Of(key)] = publication;
        }

        return publication;
    }

    /// <summary>
    /// A record with fewer than k holders was published into a network that was just forming: it is published again soon,
    /// in growing steps, so that later peers near the key get it too.
    /// </summary>
    private void Reschedule(Publication publication, int holders, TimeSpan interval)
    {
        lock (_gate)
        {
            publication.Retry = holders >= options.BucketSize ? interval : publication.Retry * 2 < interval ? publication.Retry * 2 : interval;
            publication.Next = time.GetUtcNow() + publication.Retry;
        }
    }

    private List<Publication> TakeDue(Dictionary<KadId, Publication> publications)
    {
        lock (_gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            return [.. publications.Values.Where(publication => publication.Next <= now)];
        }
    }

    private sealed class Publication(byte[] key, byte[]? value)
    {
        public byte[] Key { get; } = key;

        public byte[]? Value { get; } = value;

        public DateTimeOffset Next { get; set; }

        public TimeSpan Retry { get; set; } = _firstRetry / 2;
    }

    private static partial class Log
    {
        [LoggerMessage(3212, LogLevel.Debug, "{Peer} did not take a record: {Reason}")]
        public static partial void StoreFailed(ILogger logger, PeerId peer, string reason);
    }
}
