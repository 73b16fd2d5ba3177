using System.Text.Json;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Relay;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

public sealed class ReservationVoucherTests
{
    [Test]
    public void Seal_GoldenReservation_IsTheGoldenEnvelope()
    {
        JsonElement golden = GoldenVectors.Libp2p.GetProperty("reservationVoucher");
        using Ed25519PrivateKey relay = Ed25519PrivateKey.FromSeed(GoldenVectors.Libp2p.GetProperty("relayIdentity").Hex("seed"));
        using Ed25519PrivateKey peer = Ed25519PrivateKey.FromSeed(GoldenVectors.Libp2p.GetProperty("identity").Hex("seed"));
        ReservationVoucher voucher = new(PeerId.FromPublicKey(relay.PublicKey), PeerId.FromPublicKey(peer.PublicKey), DateTimeOffset.FromUnixTimeSeconds(1_700_000_000));
        byte[] envelope = voucher.Seal(relay);
        Assert.That(Convert.ToHexStringLower(envelope), Is.EqualTo(golden.Text("envelope")));
        Assert.That(ReservationVoucher.TryOpen(envelope, out ReservationVoucher? opened), Is.True);
        Assert.That(opened, Is.EqualTo(voucher));
    }

    [Test]
    public void TryOpen_SignedByAnother_IsRefused()
    {
        using Ed25519PrivateKey relay = Ed25519PrivateKey.Generate(), other = Ed25519PrivateKey.Generate();
        ReservationVoucher voucher = new(PeerId.FromPublicKey(relay.PublicKey), PeerId.FromPublicKey(other.PublicKey), DateTimeOffset.UnixEpoch);
        Assert.That(ReservationVoucher.TryOpen(voucher.Seal(other), out _), Is.False);
    }
}
