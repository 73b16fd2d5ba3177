using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.PrivacyRelay.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.PrivacyRelay;

/// <summary>A peer that a circuit goes through or ends at.</summary>
/// <param name="Addresses">Hints for the hop before it.</param>
internal sealed record CircuitHop(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);

/// <summary>The client's side of circuits.</summary>
/// <remarks>
/// <code>
/// client ── stream ──▶ relay 1 ── stream ──▶ relay 2 ── stream ──▶ provider
///        ═ Noise ════▶ Open{forward relay 2}
///        ═ Noise ═════════════════════════▶ Open{forward provider}
///        ═ Noise ══════════════════════════════════════════════════▶ Open{deliver /cocoon/infer/1.0.0}
/// </code>
/// Each relay knows its neighbours only. The legs' handshakes lie inside each other, so no relay can answer for a later hop.
/// </remarks>
internal static class Circuit
{
    /// <param name="relays">One or two peers, first the one that is dialled.</param>
    /// <param name="target">The peer that serves <paramref name="protocol"/>.</param>
    /// <exception cref="CircuitException">A hop refused, or is not the peer it should be.</exception>
    /// <exception cref="IOException">The first relay cannot be reached.</exception>
    public static async Task<IPeerStream> OpenAsync(
        ILibp2pHost host, IReadOnlyList<CircuitHop> relays, CircuitHop target, string protocol, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(relays.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(relays.Count, RelayProtocol.MaxRelays);
        IPeerStream stream = await host.OpenStreamAsync(relays[0].Peer, [RelayProtocol.Id], cancellationToken);
        for (int i = 0; i < relays.Count; i++)
        {
            CircuitHop next = i + 1 < relays.Count ? relays[i + 1] : target;
            Forward forward = new() { PeerId = ByteString.CopyFrom(next.Peer.Bytes) };
            forward.Addresses.AddRange(next.Addresses.Take(RelayProtocol.MaxAddresses).Select(a => ByteString.CopyFrom(a.Bytes)));
            stream = await CircuitHandshake.OpenAsync(stream, relays[i].Peer, new Open { Forward = forward }, RelayProtocol.Id, cancellationToken);
        }

        return await CircuitHandshake.OpenAsync(
            stream, target.Peer, new Open { Deliver = new Deliver { Protocol = protocol } }, protocol, cancellationToken);
    }
}
