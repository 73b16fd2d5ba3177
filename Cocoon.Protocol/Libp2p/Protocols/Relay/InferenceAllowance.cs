using Cocoon.Protocol.Libp2p.Swarm;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>What circuits with the larger limits may carry in an hour: from one source, to one destination, and in all.</summary>
/// <remarks>Thread-safe. A relay cannot see whether inference runs inside of them, so that anybody's announcement could make it a free line.</remarks>
internal sealed class InferenceAllowance(RelayLimits limits, TimeProvider time)
{
    private readonly RateLimiter<object> _sources = PerHour<object>(limits.InferenceDataPerSourceAndHour, time);
    private readonly RateLimiter<object> _destinations = PerHour<object>(limits.InferenceDataPerDestinationAndHour, time);
    private readonly RateLimiter<int> _all = PerHour<int>(limits.InferenceDataPerHour, time);

    /// <summary><c>false</c> when one of the three is used up.</summary>
    public bool TryTake(StreamOwner source, StreamOwner destination, long bytes) =>
        _sources.TryTake(KeyOf(source), bytes) && _destinations.TryTake(KeyOf(destination), bytes) && _all.TryTake(0, bytes);

    private static object KeyOf(StreamOwner owner) => (object?)owner.IpGroup ?? owner.Peer;

    private static RateLimiter<T> PerHour<T>(long bytes, TimeProvider time)
        where T : notnull => new(bytes / 3600.0, bytes, time);
}
