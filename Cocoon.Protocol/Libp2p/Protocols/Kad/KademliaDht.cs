using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>A node of the Kademlia DHT: finds peers, provider records and values, and in server mode keeps them for others.</summary>
public sealed class KademliaDht : IAsyncDisposable
{
    private readonly ILibp2pHost _host;
    private readonly KadOptions _options;
    private readonly TimeProvider _time;
    private readonly DirectAddresses _connected;
    private readonly RoutingTable _table;
    private readonly ProviderStore _providers;
    private readonly RecordStore _records;
    private readonly KadServer _server;
    private readonly KadRpc _rpc;
    private readonly KadLookup _lookup;
    private readonly KadPublisher _publisher;
    private readonly KadMaintenance _maintenance;
    private readonly TaskGroup _tasks = new();
    private readonly CancellationTokenSource _stopping = new();
    private int _state;

    public KademliaDht(ILibp2pHost host, KadOptions options, TimeProvider? time = null, ILogger<KademliaDht>? logger = null)
        : this(host, options, new RoutingTable(host.LocalPeer, options.BucketSize, time ?? TimeProvider.System), time, logger)
    {
    }

    /// <param name="table">May know peers already: then it counts as refreshed at some moment of the last interval.</param>
    internal KademliaDht(ILibp2pHost host, KadOptions options, RoutingTable table, TimeProvider? time = null, ILogger<KademliaDht>? logger = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(options.Protocol);
        _host = host;
        _options = options;
        _time = time ?? TimeProvider.System;
        ILogger log = logger ?? NullLogger<KademliaDht>.Instance;
        _connected = new DirectAddresses(host);
        _table = table;
        _providers = new ProviderStore(host.LocalPeer, options, _time);
        _records = new RecordStore(host.LocalPeer, options, _time);
        _server = new KadServer(host, _connected, options, _table, _providers, _records, _time, log);
        _rpc = new KadRpc(host, options, _time);
        _lookup = new KadLookup(host, _connected, options, _table, _rpc, _time);
        _publisher = new KadPublisher(this, host, options, _records, _rpc, _lookup, _time, log);
        _maintenance = new KadMaintenance(this, host, options, _table, _providers, _records, _publisher, _lookup, _time, log);
        Mode = options.Mode;
    }

    public KadMode Mode { get; private set; }

    /// <summary>Begins to take peers into the table, to refresh, and in server mode to serve. Once.</summary>
    public void Start()
    {
        if (Interlocked.CompareExchange(ref _state, 1, 0) != 0)
        {
            throw new InvalidOperationException("The DHT was started already.");
        }

        if (Mode == KadMode.Server)
        {
            _host.Handle(_options.Protocol, _server.ServeAsync);
        }

        _maintenance.Start(_tasks, _stopping.Token);
    }

    /// <summary>Changes between asking only and serving, as reachability does.</summary>
    public void SetMode(KadMode mode)
    {
        ObjectDisposedException.ThrowIf(_state == 2, this);
        if (mode == Mode)
        {
            return;
        }

        Mode = mode;
        if (mode == KadMode.Server)
        {
            _host.Handle(_options.Protocol, _server.ServeAsync);
        }
        else
        {
            _host.Unhandle(_options.Protocol);
        }
    }

    /// <summary>Connects to the configured peers and learns the neighbourhood of our own id and of the buckets.</summary>
    /// <returns>The number of peers in the table then; 0 when no bootstrap peer answered.</returns>
    public Task<int> BootstrapAsync(CancellationToken cancellationToken = default) => _maintenance.BootstrapAsync(cancellationToken);

    /// <summary>
    /// The peer with addresses to dial, or <c>null</c> when nobody knows it. It is connected then, unless nobody answers at any address that the
    /// network names: then these are what was said, most often said first. Cancelling ends it with what was said, too.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled before anybody named the peer.</exception>
    public Task<KadPeer?> FindPeerAsync(PeerId peer, CancellationToken cancellationToken = default) =>
        new PeerSearch(_host, _lookup, _options, peer, _time).RunAsync(cancellationToken);

    /// <summary>The k peers nearest to a key that answer, nearest first.</summary>
    public async Task<IReadOnlyList<PeerId>> ClosestPeersAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        [.. (await _lookup.FindClosestAsync(key, cancellationToken)).Select(peer => peer.Peer)];

    /// <summary>Tells the k peers nearest to the key that we provide it, and again before the records expire, until <see cref="StopProviding"/>.</summary>
    /// <param name="key">A multihash; use sha2-256.</param>
    /// <returns>How many of them name us to whoever asks afterwards.</returns>
    /// <exception cref="ArgumentException">Not a multihash.</exception>
    public Task<int> ProvideAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        if (!Multihash.TryRead(key.Span, out _, out _) || key.Length > KadMessageReader.MaxKeyLength)
        {
            throw new ArgumentException("The key of a provider record is a multihash.", nameof(key));
        }

        return _publisher.ProvideAsync(key.ToArray(), cancellationToken);
    }

    /// <summary>Ends the re-publishing of a provider record; the network forgets it within 48 hours.</summary>
    public void StopProviding(ReadOnlySpan<byte> key) => _publisher.StopProviding(key);

    /// <summary>Providers of a key as they are found, each once, ourselves not among them. Ends when the network has no more.</summary>
    public async IAsyncEnumerable<KadPeer> FindProvidersAsync(
        ReadOnlyMemory<byte> key, int limit = int.MaxValue, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token);
        Channel<KadPeer> found = Channel.CreateUnbounded<KadPeer>();
        HashSet<PeerId> seen = [_host.LocalPeer];
        bool Add(IEnumerable<KadPeer> providers)
        {
            lock (seen)
            {
                foreach (KadPeer provider in providers)
                {
                    if (seen.Count <= limit && seen.Add(provider.Peer))
                    {
                        _host.AddAddresses(provider.Peer, _lookup.Usable(provider.Addresses), KadLookup.HeardAddressTimeToLive);
                        found.Writer.TryWrite(provider with { Addresses = _host.GetAddresses(provider.Peer) });
                    }
                }

                return seen.Count > limit;
            }
        }

        Task query = Add(_providers.Get(key.Span)) ? Complete() : QueryAsync();
        try
        {
            while (await found.Reader.WaitToReadAsync(cancellationToken))
            {
                while (found.Reader.TryRead(out KadPeer? provider))
                {
                    yield return provider;
                }
            }
        }
        finally
        {
            ending.Cancel();
            await query;
        }

        Task Complete()
        {
            found.Writer.Complete();
            return Task.CompletedTask;
        }

        async Task QueryAsync()
        {
            try
            {
                await _lookup.RunAsync(KadMessageType.GetProviders, key, _options.DisjointPaths, (_, answer) => Add(answer.ProviderPeers), ending.Token);
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
            }
            finally
            {
                found.Writer.Complete();
            }
        }
    }

    /// <summary>Stores a value with the k peers nearest to its key and re-publishes it until it is replaced.</summary>
    /// <returns>The number of peers that stored it.</returns>
    /// <exception cref="ArgumentException">The key's namespace has no validator, or it refuses the value.</exception>
    public Task<int> PutValueAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default)
    {
        if (key.Length > KadMessageReader.MaxKeyLength || !_records.IsValid(key.Span, value.Span))
        {
            throw new ArgumentException("The value is not valid under this key.", nameof(value));
        }

        return _publisher.PutValueAsync(key.ToArray(), value.ToArray(), cancellationToken);
    }

    /// <summary>The best valid value that the network has, or <c>null</c>. Peers near the key that hold a worse one get the best.</summary>
    public async Task<ReadOnlyMemory<byte>?> GetValueAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        if (_records.ValidatorOf(key.Span) is not { } validator)
        {
            return null;
        }

        ReadOnlyMemory<byte>? best = _records.Get(key.Span)?.Value;
        Dictionary<PeerId, ReadOnlyMemory<byte>> holders = [];
        KadQueryResult result = await _lookup.RunAsync(
            KadMessageType.GetValue,
            key,
            _options.DisjointPaths,
            (peer, answer) =>
            {
                lock (holders)
                {
                    if (answer.Record is { } record && record.Key.Span.SequenceEqual(key.Span) && _records.IsValid(key.Span, record.Value.Span))
                    {
                        holders[peer] = record.Value;
                        if (best is not { } current || validator.IsBetter(key.Span, record.Value.Span, current.Span))
                        {
                            best = record.Value;
                        }
                    }

                    return holders.Count >= _options.ValueQuorum;
                }
            },
            cancellationToken);
        if (best is { } value)
        {
            await _publisher.CorrectAsync(key, value, result.Closest.Where(peer => NeedsCorrection(peer.Peer, value)), cancellationToken);
        }

        return best;

        bool NeedsCorrection(PeerId peer, ReadOnlyMemory<byte> value) =>
            holders.TryGetValue(peer, out ReadOnlyMemory<byte> held) ? !held.Span.SequenceEqual(value.Span) : !result.Stopped;
    }

    /// <inheritdoc cref="KadLookup.Ended"/>
    internal event Action<KadMessageType, KadQueryResult>? LookupEnded
    {
        add => _lookup.Ended += value;
        remove => _lookup.Ended -= value;
    }

    /// <summary>Peers in the routing table.</summary>
    public int PeerCount => _table.Count;

    /// <summary>Table and stores as they are now.</summary>
    public KadSnapshot Snapshot() => new(
        _options.Protocol, Mode, _table.Count, _table.Snapshot(), _providers.KeyCount, _records.Count, _publisher.ProvidedCount);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _state, 2) == 2)
        {
            return;
        }

        _host.Unhandle(_options.Protocol);
        _maintenance.Stop();
        await _stopping.CancelAsync();
        await _tasks.CloseAsync();
        _connected.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Stores our own record locally as well, for we may be among the nearest.</summary>
    internal void StoreOwnProvider(byte[] key)
    {
        if (Mode == KadMode.Server)
        {
            _providers.Add(key, _host.LocalPeer, _host.Addresses, group: null);
        }
    }

    internal void ForgetOwnProvider(ReadOnlySpan<byte> key) => _providers.Remove(key, _host.LocalPeer);

    internal void StoreOwnValue(byte[] key, byte[] value) => _records.Put(key, value);
}
