using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Libp2p.Protocols.Relay;

/// <summary>A relay's signed statement that a peer has a reservation (circuit relay v2, "Reservation Vouchers").</summary>
internal sealed record ReservationVoucher(PeerId Relay, PeerId Peer, DateTimeOffset Expires)
{
    private const string Domain = "libp2p-relay-rsvp";

    /// <summary>Last second that <see cref="DateTimeOffset"/> can hold.</summary>
    private const ulong MaxUnixSeconds = 253_402_300_799;

    private static ReadOnlySpan<byte> PayloadType => [0x03, 0x02];

    /// <summary>The voucher in an envelope signed by the relay's key.</summary>
    public byte[] Seal(Ed25519PrivateKey relayKey)
    {
        VoucherPayload payload = new()
        {
            Relay = ByteString.CopyFrom(Relay.Bytes),
            Peer = ByteString.CopyFrom(Peer.Bytes),
            Expiration = (ulong)Expires.ToUnixTimeSeconds(),
        };
        return SignedEnvelope.Seal(relayKey, Domain, PayloadType, payload.ToByteArray());
    }

    /// <summary><c>false</c> unless the envelope holds and its signer is the relay that it names.</summary>
    public static bool TryOpen(ReadOnlySpan<byte> envelope, [NotNullWhen(true)] out ReservationVoucher? voucher)
    {
        voucher = null;
        if (!SignedEnvelope.TryOpen(envelope, Domain, PayloadType, out Ed25519PublicKey? signer, out byte[]? bytes))
        {
            return false;
        }

        VoucherPayload payload;
        try
        {
            payload = VoucherPayload.Parser.ParseBounded(bytes);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return false;
        }

        PeerId relay = PeerId.FromPublicKey(signer);
        if (!payload.Relay.Span.SequenceEqual(relay.Bytes)
            || !PeerId.TryFromBytes(payload.Peer.Span, out PeerId? peer)
            || payload.Expiration > MaxUnixSeconds)
        {
            return false;
        }

        voucher = new ReservationVoucher(relay, peer, DateTimeOffset.FromUnixTimeSeconds((long)payload.Expiration));
        return true;
    }
}
