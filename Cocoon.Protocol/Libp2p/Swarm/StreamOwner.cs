using System.Net;
using Cocoon.Protocol.Identity;

namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>Whose streams they are.</summary>
/// <param name="IpGroup">As <see cref="InboundGate.ToGroup"/>, of the relay where there is one; <c>null</c> where addresses have no limits.</param>
internal readonly record struct StreamOwner(PeerId Peer, IPAddress? IpGroup);
