using System.Threading.Channels;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Microsoft.Extensions.Logging;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Keeps the table alive: admission, bootstrap, refresh; expires what others stored, and has our own records published again.</summary>
internal sealed partial class KadMaintenance(
    KademliaDht dht,
    ILibp2pHost host,
    KadOptions options,
    RoutingTable table,
    ProviderStore providers,
    RecordStore records,
    KadPublisher publisher,
    KadLookup lookup,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>Deepest bucket that is refreshed by random lookups (go).</summary>
    private const int MaxRefreshedBucket = 15;

    private static readonly TimeSpan _bootstrapAddressTimeToLive = TimeSpan.FromDays(365);

    private readonly Lock _gate = new();
    private readonly HashSet<PeerId> _queued = [];
    private readonly Channel<PeerId> _candidates = Channel.CreateBounded<PeerId>(options.AdmissionQueue);
    private readonly Channel<bool> _refresh =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private HashSet<PeerId> _neighbours = [];
    private DateTimeOffset? _nextRefresh;
    private int _refreshedOnce;

    public void Start(TaskGroup tasks, CancellationToken cancellationToken)
    {
        if (table.Count > 0)
        {
            _refreshedOnce = 1;
            _nextRefresh = time.GetUtcNow() + (options.RefreshInterval * options.Random.NextDouble());
        }

        host.PeerChanged += OnPeerChanged;
        for (int i = 0; i < options.AdmissionWorkers; i++)
        {
            tasks.Run(() => QuietlyAsync(AdmitLoopAsync, cancellationToken));
        }

        tasks.Run(() => QuietlyAsync(RefreshLoopAsync, cancellationToken));
        tasks.Run(() => QuietlyAsync(TimerLoopAsync, cancellationToken));
        foreach (PeerConnectionInfo connection in host.Connections)
        {
            OnProtocols(connection.Peer, connection.Protocols);
        }
    }

    public void Stop() => host.PeerChanged -= OnPeerChanged;

    public async Task<int> BootstrapAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(options.BootstrapPeers.Select(address => JoinAsync(address, cancellationToken)));
        cancellationToken.ThrowIfCancellationRequested();
        if (table.Count > 0)
        {
            Interlocked.Exchange(ref _refreshedOnce, 1);
            await RefreshAsync(cancellationToken);
        }

        return table.Count;
    }

    private static async Task QuietlyAsync(Func<CancellationToken, Task> loop, CancellationToken cancellationToken)
    {
        try
        {
            await loop(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private void OnPeerChanged(PeerEvent change)
    {
        if (change is PeerEvent.Identified identified)
        {
            OnProtocols(identified.Peer, identified.Protocols);
        }
    }

    private void OnProtocols(PeerId peer, IReadOnlyList<string> protocols)
    {
        if (!protocols.Contains(options.Protocol))
        {
            // It became a client, or never was a server.
            table.Remove(peer);
            return;
        }

        // Most peers that a node of a large network meets belong to buckets that have long been full: they are not asked.
        if (!table.HasPlaceFor(peer, options.RefreshInterval))
        {
            return;
        }

        lock (_gate)
        {
            if (_queued.Add(peer) && !_candidates.Writer.TryWrite(peer))
            {
                _queued.Remove(peer);
            }
        }
    }

    private async Task AdmitLoopAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            PeerId peer = await _candidates.Reader.ReadAsync(cancellationToken);
            await lookup.AdmitAsync(peer, cancellationToken);
            lock (_gate)
            {
                _queued.Remove(peer);
            }

            if (table.Count > 0 && Interlocked.Exchange(ref _refreshedOnce, 1) == 0)
            {
                _refresh.Writer.TryWrite(true);
            }
        }
    }

    private async Task RefreshLoopAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _refresh.Reader.ReadAsync(cancellationToken);
            await RefreshAsync(cancellationToken);
        }
    }

    private async Task TimerLoopAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset nextRefresh = _nextRefresh ?? time.GetUtcNow() + options.RefreshInterval;
        using PeriodicTimer timer = new(options.MaintenanceInterval, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            providers.Expire();
            records.Expire();
            ProtectNeighbours();
            if (time.GetUtcNow() >= nextRefresh)
            {
                nextRefresh = time.GetUtcNow() + options.RefreshInterval;
                _refresh.Writer.TryWrite(true);
            }

            if (table.Count == 0 && options.BootstrapPeers.Count > 0)
            {
                await BootstrapAsync(cancellationToken);
            }

            await publisher.PublishDueAsync(cancellationToken);
        }
    }

    /// <summary>Keeps the connections to the peers nearest to us: for their keys and ours nobody else will do.</summary>
    private void ProtectNeighbours()
    {
        HashSet<PeerId> nearest = dht.Mode == KadMode.Server ? [.. table.Closest(KadId.Of(host.LocalPeer), options.BucketSize)] : [];
        foreach (PeerId peer in _neighbours.Except(nearest))
        {
            host.Unprotect(peer, options.Protocol);
        }

        foreach (PeerId peer in nearest.Except(_neighbours))
        {
            host.Protect(peer, options.Protocol);
        }

        _neighbours = nearest;
    }

    private async Task JoinAsync(Multiaddr address, CancellationToken cancellationToken)
    {
        if (address.Peer is not { } peer || peer == host.LocalPeer)
        {
            return;
        }

        host.AddAddresses(peer, [address.WithoutPeer()], _bootstrapAddressTimeToLive);
        if (!await lookup.CheckAsync(peer, cancellationToken))
        {
            Log.BootstrapFailed(logger, address);
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        foreach (PeerId[] group in table.Silent(options.RefreshInterval).Chunk(options.Parallelism))
        {
            await Task.WhenAll(group.Select(peer => lookup.CheckAsync(peer, cancellationToken)));
        }

        // Whoever is nearer to us than the farthest of our k neighbours is one of them: those buckets are complete.
        IReadOnlyList<KadResponder> neighbours = await lookup.FindClosestAsync(host.LocalPeer.Memory, cancellationToken);
        int complete = neighbours.Count < options.BucketSize ? -1 : KadId.Of(host.LocalPeer).CommonPrefixLength(KadId.Of(neighbours[^1].Peer));
        int deepest = Math.Min(MaxRefreshedBucket, Math.Min(complete, table.DeepestBucket + 1));
        for (int bucket = 0; bucket <= deepest; bucket++)
        {
            // A full bucket has nothing to learn: who was silent in it has just been asked.
            int looked = bucket;
            if (!table.IsFull(looked))
            {
                await lookup.RunAsync(KadMessageType.FindNode, RandomKey(looked), paths: 1, (_, _) => table.IsFull(looked), cancellationToken);
            }
        }
    }

    /// <summary>A key whose id falls into the bucket; found by trial, for nobody can compute a preimage.</summary>
    private byte[] RandomKey(int bucket)
    {
        KadId self = KadId.Of(host.LocalPeer);
        byte[] key = new byte[34];
        for (int attempt = 0; attempt < 1 << (bucket + 4); attempt++)
        {
            options.Random.NextBytes(key);
            key[0] = Multihash.Sha256Code;
            key[1] = 32;
            if (self.CommonPrefixLength(KadId.Of(key)) == bucket)
            {
                break;
            }
        }

        return key;
    }

    private static partial class Log
    {
        [LoggerMessage(3211, LogLevel.Warning, "Bootstrap peer {Address} did not answer")]
        public static partial void BootstrapFailed(ILogger logger, Multiaddr address);
    }
}
