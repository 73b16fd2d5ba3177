using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.AutoNat.Proto;
using Cocoon.Protocol.Libp2p.Protocols.Dcutr.Proto;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Google.Protobuf;

namespace Cocoon.Tests.Fuzzing;

internal static class ReachabilityTargets
{
    private static readonly Ed25519PrivateKey Key = Ed25519PrivateKey.FromSeed(Enumerable.Range(1, 32).Select(i => (byte)i).ToArray());
    private static readonly PeerId Peer = PeerId.FromPublicKey(Key.PublicKey);
    private static readonly ByteString Address = ByteString.CopyFrom(4, 127, 0, 0, 1, 6, 15, 161);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        FuzzTarget.Of<Libp2pException>("libp2p/relay-hop", 200, bytes =>
            {
                HopMessage message = LengthPrefixed.Parse(HopMessage.Parser, bytes);
                CircuitProtocol.ReadLimit(message.Limit);
                CircuitProtocol.TryReadPeer(message.Peer, out _);
            },
            new HopMessage
            {
                Type = HopMessage.Types.Type.Status,
                Status = CircuitStatus.Ok,
                Limit = new CircuitLimits { Duration = 120_000, Data = ulong.MaxValue },
                Reservation = new CircuitReservation { Expire = 7, Addrs = { Address } },
            }.ToByteArray()),
        FuzzTarget.Of<Libp2pException>("libp2p/relay-stop", 200, bytes =>
            {
                StopMessage message = LengthPrefixed.Parse(StopMessage.Parser, bytes);
                CircuitProtocol.ReadLimit(message.Limit);
                CircuitProtocol.TryReadPeer(message.Peer, out _);
            },
            new StopMessage { Type = StopMessage.Types.Type.Connect, Peer = CircuitProtocol.ToMessage(Peer) }.ToByteArray()),
        FuzzTarget.Of("libp2p/relay-voucher", 300, bytes => ReservationVoucher.TryOpen(bytes, out _), new ReservationVoucher(Peer, Peer, DateTimeOffset.UnixEpoch).Seal(Key)),
        FuzzTarget.Of<Libp2pException>("libp2p/autonat", 200, bytes => LengthPrefixed.Parse(AutoNatMessage.Parser, bytes),
            new AutoNatMessage { Type = AutoNatMessage.Types.Type.DialResponse, DialResponse = new() { Status = AutoNatMessage.Types.Status.Ok, Addr = Address } }.ToByteArray()),
        FuzzTarget.Of<Libp2pException>("libp2p/dcutr", 200, bytes => LengthPrefixed.Parse(HolePunch.Parser, bytes),
            new HolePunch { Type = HolePunch.Types.Type.Connect, ObsAddrs = { Address } }.ToByteArray()),
    ];
}
