using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Runs queries over the network from our table, and lets the table learn from who answers.</summary>
internal sealed class KadLookup(ILibp2pHost host, DirectAddresses connected, KadOptions options, RoutingTable table, KadRpc rpc, TimeProvider time)
{
    /// <summary>How long addresses heard in answers are remembered.</summary>
    public static readonly TimeSpan HeardAddressTimeToLive = TimeSpan.FromMinutes(30);

    /// <summary>A query is over; for measurements.</summary>
    public event Action<KadMessageType, KadQueryResult>? Ended;

    /// <param name="paths">
    /// Disjoint paths; 1 for a plain query. They share α and k, and no peer serves two of them. Who of the k nearest then has not been asked,
    /// because the only path that heard of it had its share, is asked at the end.
    /// </param>
    /// <param name="onAnswer">Sees each answer and ends the query with <c>true</c>; with several paths it is called concurrently.</param>
    /// <returns>The nearest peers that answered, over all paths; what was found until then when the time ran out.</returns>
    public async Task<KadQueryResult> RunAsync(
        KadMessageType type, ReadOnlyMemory<byte> key, int paths, Func<PeerId, KadMessage, bool> onAnswer, CancellationToken cancellationToken)
    {
        KadId target = KadId.Of(key.Span);
        List<PeerId> seeds = table.Closest(target, options.BucketSize);
        paths = Math.Clamp(paths, 1, Math.Max(1, seeds.Count));
        using CancellationTokenSource limit = new(options.QueryTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        KadMessage request = new(type) { Key = key };
        SharedClaims claims = new(host.LocalPeer);
        List<Task<KadQueryResult>> running = [];
        for (int path = 0; path < paths; path++)
        {
            int offset = path;
            running.Add(Query(share: paths).RunAsync(seeds.Where((_, i) => i % paths == offset), either.Token));
        }

        KadQueryResult[] results = await Task.WhenAll(running);
        KadQueryResult last = await Query(share: 1).RunAsync(results, either.Token);
        KadQueryResult[] all = [.. results, last];
        KadQueryResult merged = last with
        {
            Requests = all.Sum(result => result.Requests),
            Failures = all.Sum(result => result.Failures),
            Stopped = claims.Stopped,
            Hops = claims.Stopped ? all.Where(result => result.Stopped).Max(result => result.Hops) : last.Hops,
        };
        Ended?.Invoke(type, merged);
        cancellationToken.ThrowIfCancellationRequested();
        return merged;

        KadQuery Query(int share) => new(
            target,
            options,
            Math.Max(1, (options.Parallelism + share - 1) / share),
            (options.BucketSize + share - 1) / share,
            claims.TryClaim,
            (peer, token) => AskAsync(peer, request, token),
            (peer, answer) => onAnswer(peer, answer) && claims.Stop(either));
    }

    /// <summary>The k peers nearest to a key that answer, nearest first.</summary>
    public async Task<IReadOnlyList<KadResponder>> FindClosestAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken) =>
        (await RunAsync(KadMessageType.FindNode, key, paths: 1, static (_, _) => false, cancellationToken)).Closest;

    /// <summary>The answer, or <c>null</c> when there was none.</summary>
    public async Task<KadMessage?> AskAsync(PeerId peer, KadMessage request, CancellationToken cancellationToken)
    {
        try
        {
            KadMessage answer = await rpc.AskAsync(peer, request, cancellationToken);

            // Who knows nobody is no help, and in a small network the only ones there are.
            if (answer.CloserPeers.Count > 0 || table.Count < options.BucketSize)
            {
                TakeIn(peer);
            }

            foreach (KadPeer closer in answer.CloserPeers)
            {
                if (closer.Peer != host.LocalPeer)
                {
                    host.AddAddresses(closer.Peer, Usable(closer.Addresses), HeardAddressTimeToLive);
                }
            }

            return answer;
        }
        catch (Exception exception) when (exception is IOException or KadException or ObjectDisposedException)
        {
            Failed(peer);
            return null;
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Whether it answers, as a server does; if so it is in the table where there is room.</summary>
    public async Task<bool> CheckAsync(PeerId peer, CancellationToken cancellationToken) =>
        await AskAsync(peer, new KadMessage(KadMessageType.FindNode) { Key = peer.Memory }, cancellationToken) is not null;

    /// <summary>
    /// The lookup check before admission. In a full bucket the newcomer gets in only when the peer that has been silent longest
    /// turns out to be gone.
    /// </summary>
    public async Task AdmitAsync(PeerId peer, CancellationToken cancellationToken)
    {
        if (table.HasPlaceFor(peer, options.RefreshInterval)
            && await CheckAsync(peer, cancellationToken)
            && !table.Contains(peer)
            && table.EvictionCandidate(peer, options.RefreshInterval) is { } silent
            && !await CheckAsync(silent, cancellationToken)
            && !cancellationToken.IsCancellationRequested)
        {
            table.Remove(silent);
            TakeIn(peer);
        }
    }

    /// <summary>Without any connection it is our own network that fails, and the table is better kept.</summary>
    private void Failed(PeerId peer)
    {
        if (table.Count > 0 && host.Connections.Count > 0)
        {
            table.Failed(peer);
        }
    }

    private TableAddResult TakeIn(PeerId peer)
    {
        if (table.Contains(peer))
        {
            return table.TryAdd(peer, group: null);
        }

        if (connected.Get(peer) is not { } address || !IpGroups.IsShareable(address, options.AllowLocalAddresses))
        {
            return TableAddResult.NotDiverse;
        }

        return table.TryAdd(peer, options.AllowLocalAddresses ? null : IpGroups.Wide(address));
    }

    /// <summary>Addresses worth dialling, bounded in number.</summary>
    public IEnumerable<Multiaddr> Usable(IReadOnlyList<Multiaddr> addresses) =>
        addresses.Where(address => IpGroups.IsShareable(address, options.AllowLocalAddresses)).Take(KadMessageWriter.MaxAddresses);

    /// <summary>Who is asked already, and whether one of the paths ended the query.</summary>
    private sealed class SharedClaims(PeerId local)
    {
        private readonly Lock _gate = new();
        private readonly HashSet<PeerId> _claimed = [local];

        public bool Stopped { get; private set; }

        public bool TryClaim(PeerId peer)
        {
            lock (_gate)
            {
                return _claimed.Add(peer);
            }
        }

        public bool Stop(CancellationTokenSource query)
        {
            Stopped = true;
            query.Cancel();
            return true;
        }
    }
}
