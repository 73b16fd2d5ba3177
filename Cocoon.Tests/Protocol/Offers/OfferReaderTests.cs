using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Google.Protobuf;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Offers;

public sealed class OfferReaderTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    [Test]
    public void TryRead_OwnOffer_Verifies()
    {
        using TestOffers offers = new(s_now);
        VerifiedOffer signed = offers.Sign(offers.Create());
        OfferRejection rejection = OfferReader.TryRead(signed.Signed, s_now, out VerifiedOffer? read);
        Assert.That(rejection, Is.EqualTo(OfferRejection.None));
        Assert.That(read!.Peer, Is.EqualTo(offers.Peer));
        Assert.That(read.Digest.ToArray(), Is.EqualTo(signed.Digest.ToArray()));
    }

    [Test]
    public void TryRead_UnknownFields_AreKept()
    {
        using TestOffers offers = new(s_now);
        byte[] later = [.. offers.Create(peer: true).ToByteArray(), 0xA2, 0x3F, 0x03, 1, 2, 3];
        byte[] signed = new SignedOffer
        {
            Offer = ByteString.CopyFrom(later),
            Signature = ByteString.CopyFrom(SignedMessage.Sign(SignedMessage.OfferDomain, later, offers.Key)),
        }.ToByteArray();
        Assert.That(OfferReader.TryRead(signed, s_now, out VerifiedOffer? read), Is.EqualTo(OfferRejection.None));
        Assert.That(read!.Offer.ToByteArray(), Is.EqualTo(later));
    }

    [Test]
    public void TryRead_OtherPeersSignature_IsRejected()
    {
        using TestOffers offers = new(s_now), other = new(s_now);
        Offer offer = offers.Create();
        offer.PeerId = ByteString.CopyFrom(offers.Peer.Bytes);
        byte[] inner = offer.ToByteArray();
        byte[] signed = new SignedOffer
        {
            Offer = ByteString.CopyFrom(inner),
            Signature = ByteString.CopyFrom(SignedMessage.Sign(SignedMessage.OfferDomain, inner, other.Key)),
        }.ToByteArray();
        Assert.That(OfferReader.TryRead(signed, s_now, out _), Is.EqualTo(OfferRejection.BadSignature));
    }

    [TestCase(-46, ExpectedResult = OfferRejection.Expired)]
    [TestCase(31, ExpectedResult = OfferRejection.FromTheFuture)]
    public object TryRead_WrongTime_IsIgnorable(int issuedOffsetSeconds)
    {
        using TestOffers offers = new(s_now.AddSeconds(issuedOffsetSeconds));
        return OfferReader.TryRead(offers.Sign(offers.Create()).Signed, s_now, out _);
    }

    [Test]
    public void TryRead_FieldOutOfBounds_IsMalformed()
    {
        Action<Offer>[] mistakes =
        [
            o => o.ModelId = ByteString.CopyFrom(new byte[31]),
            o => o.Prices.Completion = OfferLimits.MaxPrice + 1,
            o => o.Prices = null,
            o => o.Tier = "cc-magic",
            o => o.ModelName = new string('x', OfferLimits.MaxText + 1),
            o => o.Payout = "nowhere",
            o => o.ExpiresAtMs = o.IssuedAtMs + 3_600_000,
            o => o.SlotsFree = o.SlotsTotal + 1,
            o => o.DecodeTokensPerSecond = float.NaN,
            o => o.Addresses.AddRange(Enumerable.Repeat(ByteString.CopyFromUtf8("a"), OfferLimits.MaxAddresses + 1)),
        ];
        foreach (Action<Offer> mistake in mistakes)
        {
            using TestOffers offers = new(s_now);
            Offer offer = offers.Create();
            mistake(offer);
            Assert.That(OfferReader.TryRead(offers.Sign(offer).Signed, s_now, out _), Is.EqualTo(OfferRejection.Malformed));
        }
    }

    [Test]
    public void TryRead_Oversized_IsRefusedBeforeParsing() =>
        Assert.That(OfferReader.TryRead(new byte[OfferLimits.MaxBytes + 1], s_now, out _), Is.EqualTo(OfferRejection.Oversized));
}
