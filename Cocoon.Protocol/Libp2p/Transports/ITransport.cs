using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>A way to open a raw connection to addresses of one kind.</summary>
internal interface ITransport
{
    bool CanDial(Multiaddr address);

    /// <exception cref="IOException">The way there, such as a relay, refuses or is gone.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">Nobody answers.</exception>
    Task<IRawConnection> DialAsync(DialTarget target, CancellationToken cancellationToken);
}

/// <summary>One address to dial.</summary>
/// <param name="Expected">The peer that should answer, where known.</param>
/// <param name="IsExplicit">The user named the address: no back-off, no filter.</param>
internal sealed record DialTarget(Multiaddr Address, PeerId? Expected, bool IsExplicit);
