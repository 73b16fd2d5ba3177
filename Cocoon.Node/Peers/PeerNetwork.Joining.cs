using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Peers;

/// <summary>Joins the network and stays joined: bootstrap addresses, peers of earlier runs, then neighbours from the DHT.</summary>
internal sealed partial class PeerNetwork
{
    /// <summary>Enough for a gossip mesh (degree 6) with some to spare.</summary>
    private const int WantedConnections = 10;

    private const int MaxDialsPerRound = 4;

    private static readonly TimeSpan RetryLonely = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(15);

    private async Task StayJoinedAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                if (Host.Connections.Count == 0)
                {
                    await JoinAsync(cancellationToken);
                }
                else if (Host.Connections.Count < WantedConnections)
                {
                    await WidenAsync(cancellationToken);
                }

                await Task.Delay(Host.Connections.Count == 0 ? RetryLonely : Round, _time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    private async Task JoinAsync(CancellationToken cancellationToken)
    {
        bool joined = false;
        foreach (Multiaddr address in await _bootstrap.GetAsync(cancellationToken))
        {
            if (address.Peer == Host.LocalPeer)
            {
                continue;
            }

            try
            {
                PeerId peer = await Host.ConnectAsync(address, cancellationToken);
                Log.Joined(_logger, peer);
                joined = true;
            }
            catch (Exception exception) when (exception is IOException or Libp2pException)
            {
                Log.BootstrapFailed(_logger, address.ToString(), exception.Message);
            }
        }

        if (!joined)
        {
            joined = await ConnectSomeAsync(Host.GetKnownPeers(), cancellationToken);
        }

        if (joined)
        {
            await LearnNeighboursAsync(cancellationToken);
        }
    }

    /// <summary>After the first connection, however it came about: the neighbourhood in the DHT, then connections to some of it.</summary>
    public async Task LearnNeighboursAsync(CancellationToken cancellationToken)
    {
        await Dht.BootstrapAsync(cancellationToken);
        await WidenAsync(cancellationToken);
        _joined.TrySetResult();
    }

    private Task<bool> WidenAsync(CancellationToken cancellationToken)
    {
        HashSet<PeerId> connected = [.. Host.Connections.Select(c => c.Peer)];
        IEnumerable<PeerId> neighbours = Dht.Snapshot().Buckets.SelectMany(b => b.Peers).Select(e => e.Peer).Where(p => !connected.Contains(p));
        return ConnectSomeAsync(neighbours, cancellationToken);
    }

    /// <summary>
    /// Half of them the first ones, which are the likeliest to answer, and half by chance: the first may all be gone, or have seen to it that
    /// they are the first.
    /// </summary>
    internal static IReadOnlyList<PeerId> Choose(IEnumerable<PeerId> peers)
    {
        PeerId[] all = [.. peers];
        int first = Math.Min(MaxDialsPerRound / 2, all.Length);
        PeerId[] others = all[first..];
        Random.Shared.Shuffle(others);
        return [.. all[..first], .. others.Take(MaxDialsPerRound - first)];
    }

    private async Task<bool> ConnectSomeAsync(IEnumerable<PeerId> peers, CancellationToken cancellationToken)
    {
        bool any = false;
        foreach (PeerId peer in Choose(peers.Where(p => p != Host.LocalPeer)))
        {
            try
            {
                await Host.ConnectAsync(peer, cancellationToken);
                any = true;
            }
            catch (Exception exception) when (exception is IOException or Libp2pException)
            {
                // A hint that led nowhere; the dialler backs off by itself.
            }
        }

        return any;
    }
}
