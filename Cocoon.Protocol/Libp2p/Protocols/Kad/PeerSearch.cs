using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols.Kad;

/// <summary>Looks for one peer. Who names it, and where, is hearsay: only a connection to it ends the search early.</summary>
/// <remarks>
/// Nobody is nearer to a key than the peer whose id it is, so whoever is named is asked next: a server that is where it was said to be ends the
/// search by its answer, a client by the connection over which it was asked. Made-up addresses cost a dial, and the search goes on.
/// </remarks>
internal sealed class PeerSearch(ILibp2pHost host, KadLookup lookup, KadOptions options, PeerId target, TimeProvider time)
{
    /// <summary>Far more than the answers of one query name, honest ones alike.</summary>
    private const int MaxHeard = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<Multiaddr, int> _named = [];

    /// <summary>The peer with its addresses: where it was reached first, or else those that most others named; <c>null</c> when nobody named any.</summary>
    public async Task<KadPeer?> RunAsync(CancellationToken cancellationToken)
    {
        if (Connected() is { } before && host.GetAddresses(target).Count > 0)
        {
            return Reached(before);
        }

        try
        {
            await lookup.RunAsync(KadMessageType.FindNode, target.Memory, options.DisjointPaths, OnAnswer, cancellationToken);
            if (Connected() is null && Named() is { Count: > 0 } named)
            {
                await TryConnectAsync(named, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (Named().Count > 0)
        {
            // The caller's time is over, as it is when the peer is gone and dials of it hang: what was said is still an answer.
        }

        return Connected() is { } connection ? Reached(connection) : Named() is { Count: > 0 } heard ? new KadPeer(target, heard) : null;
    }

    private bool OnAnswer(PeerId from, KadMessage answer)
    {
        lock (_gate)
        {
            foreach (Multiaddr address in answer.CloserPeers.Where(peer => peer.Peer == target).Take(1).SelectMany(peer => lookup.Usable(peer.Addresses)).Distinct())
            {
                if (_named.Count < MaxHeard || _named.ContainsKey(address))
                {
                    _named[address] = _named.GetValueOrDefault(address) + 1;
                }
            }

            return from == target || (_named.Count > 0 && Connected() is { IsOutbound: true });
        }
    }

    /// <summary>Those that most peers named come first: who lies alone comes last.</summary>
    private List<Multiaddr> Named()
    {
        lock (_gate)
        {
            return [.. _named.OrderByDescending(item => item.Value).Take(KadMessageWriter.MaxAddresses).Select(item => item.Key)];
        }
    }

    private PeerConnectionInfo? Connected() => host.Connections.FirstOrDefault(connection => connection.Peer == target);

    private KadPeer Reached(PeerConnectionInfo connection)
    {
        IReadOnlyList<Multiaddr> known = host.GetAddresses(target) is { Count: > 0 } here ? here : Named();
        Multiaddr at = connection.RemoteAddress.WithoutPeer();
        return new KadPeer(target, connection.IsOutbound ? [at, .. known.Where(address => !address.Equals(at))] : known);
    }

    /// <summary>The first of them may have been dialled already, at an address that somebody made up before others named the right one.</summary>
    private async Task TryConnectAsync(List<Multiaddr> addresses, CancellationToken cancellationToken)
    {
        host.AddAddresses(target, addresses, KadLookup.HeardAddressTimeToLive);
        using CancellationTokenSource limit = new(options.RequestTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await host.ConnectAsync(target, either.Token);
        }
        catch (Exception exception) when (exception is IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Nobody is there now.
        }
    }
}
