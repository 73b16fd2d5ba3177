namespace Cocoon.Protocol.Libp2p.Transports;

/// <summary>What a relay said it lets through on one circuit.</summary>
/// <param name="Duration"><c>null</c>: not limited, or not said in a way that makes sense.</param>
/// <param name="Data">Bytes in each direction; <c>null</c>: not limited.</param>
public sealed record CircuitLimit(TimeSpan? Duration, long? Data);
