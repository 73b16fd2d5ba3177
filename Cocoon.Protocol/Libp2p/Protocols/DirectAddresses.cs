using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Protocols;

/// <summary>The remote address of each direct connection, cached: it is asked for with every request.</summary>
/// <remarks>Thread-safe. Holds connected peers only.</remarks>
internal sealed class DirectAddresses : IDisposable
{
    private readonly ILibp2pHost _host;
    private readonly ConcurrentDictionary<PeerId, Multiaddr> _addresses = new();

    public DirectAddresses(ILibp2pHost host)
    {
        _host = host;
        host.PeerChanged += OnPeerChanged;
    }

    /// <summary><c>null</c> when there is no direct connection to the peer.</summary>
    public Multiaddr? Get(PeerId peer)
    {
        if (_addresses.TryGetValue(peer, out Multiaddr? known))
        {
            return known;
        }

        Multiaddr? address = _host.Connections.FirstOrDefault(connection => connection.Peer == peer && !connection.IsRelayed)?.RemoteAddress;
        if (address is not null)
        {
            _addresses[peer] = address;
        }

        return address;
    }

    public void Dispose() => _host.PeerChanged -= OnPeerChanged;

    /// <summary>Whatever happened, the connection is looked up again.</summary>
    private void OnPeerChanged(PeerEvent change) => _addresses.TryRemove(change.Peer, out _);
}
