namespace Cocoon.Protocol.Libp2p.Swarm;

/// <summary>What a peer told about itself by identify. Immutable; a push makes another one.</summary>
internal sealed record RemoteIdentity(string AgentVersion, string ProtocolVersion, IReadOnlyList<string> Protocols);
