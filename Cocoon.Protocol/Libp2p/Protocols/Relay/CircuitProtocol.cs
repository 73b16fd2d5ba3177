using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Cocoon.Protocol.Libp2p.Transports;
using Cocoon.Protocol.Multiformats;
using Google.Protobuf;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>What both sides of circuit relay v2 share.</summary>
internal static class CircuitProtocol
{
    public const string HopId = "/libp2p/circuit/relay/0.2.0/hop";
    public const string StopId = "/libp2p/circuit/relay/0.2.0/stop";

    /// <summary>Follows a relay's address and peer.</summary>
    public static Multiaddr Suffix { get; } = Multiaddr.Parse("/p2p-circuit");

    /// <summary>The specification's limit of a message.</summary>
    public const int MaxMessageLength = 4 * 1024;

    /// <summary>js-libp2p writes milliseconds where seconds belong; a longer time than this is not believed.</summary>
    private static readonly TimeSpan MaxDuration = TimeSpan.FromHours(24);

    public static bool TryReadPeer(CircuitPeer? message, out PeerId peer)
    {
        peer = null!;
        if (message is not null && PeerId.TryFromBytes(message.Id.Span, out PeerId? read))
        {
            peer = read;
            return true;
        }

        return false;
    }

    public static CircuitPeer ToMessage(PeerId peer) => new() { Id = ByteString.CopyFrom(peer.Bytes) };

    /// <summary><c>null</c> when the relay limits nothing.</summary>
    public static CircuitLimit? ReadLimit(CircuitLimits? message)
    {
        if (message is not { Duration: > 0 } and not { Data: > 0 })
        {
            return null;
        }

        TimeSpan? duration = message.Duration > 0 && TimeSpan.FromSeconds(message.Duration) is var said && said <= MaxDuration ? said : null;
        return new CircuitLimit(duration, message.Data is > 0 and <= long.MaxValue ? (long)message.Data : null);
    }

    public static CircuitLimits ToMessage(CircuitLimit limit)
    {
        CircuitLimits message = new();
        if (limit.Duration is { } duration)
        {
            message.Duration = (uint)duration.TotalSeconds;
        }

        if (limit.Data is { } data)
        {
            message.Data = (ulong)data;
        }

        return message;
    }
}
