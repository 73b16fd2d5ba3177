using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Ton;

namespace Cocoon.Protocol.Offers;

/// <summary>Why an offer was not taken. The first group is proof of a faulty sender, the second happens to honest ones.</summary>
internal enum OfferRejection
{
    None = 0,

    Oversized,
    Malformed,
    BadSignature,

    Expired,
    FromTheFuture,
    OldSequence,
    Full,
}

/// <inheritdoc cref="OfferReader.TryRead"/>
internal delegate OfferRejection OfferReading(ReadOnlyMemory<byte> signed, DateTimeOffset now, out VerifiedOffer? offer);

/// <summary>Reads offers of strangers: bounds, fields, then the inner signature.</summary>
internal static class OfferReader
{
    private static readonly string[] Tiers = ["cc-gpu", "cc-cpu", "open"];

    /// <summary>Everything except the inner signature: what a forwarder checks, whose message carries the publisher's signature anyway.</summary>
    /// <param name="publisher">Set with <paramref name="offer"/> unless the offer is oversized or malformed.</param>
    public static OfferRejection Check(ReadOnlyMemory<byte> signed, DateTimeOffset now, out PeerId? publisher, out Offer? offer)
    {
        OfferRejection rejection = Parse(signed, now, out _, out offer, out publisher);
        return rejection;
    }

    /// <summary>Reads an offer to be stored or shown.</summary>
    public static OfferRejection TryRead(ReadOnlyMemory<byte> signed, DateTimeOffset now, out VerifiedOffer? offer)
    {
        offer = null;
        OfferRejection rejection = Parse(signed, now, out SignedOffer envelope, out Offer inner, out PeerId? peer);
        if (rejection != OfferRejection.None)
        {
            return rejection;
        }

        if (!peer!.TryGetPublicKey(out Ed25519PublicKey? key)
            || !SignedMessage.Verify(SignedMessage.OfferDomain, envelope.Offer.Span, envelope.Signature.Span, key))
        {
            return OfferRejection.BadSignature;
        }

        offer = new VerifiedOffer(peer, inner, signed, VerifiedOffer.ComputeDigest(envelope.Offer.Span));
        return OfferRejection.None;
    }

    private static OfferRejection Parse(ReadOnlyMemory<byte> signed, DateTimeOffset now, out SignedOffer envelope, out Offer inner, out PeerId? peer)
    {
        envelope = new SignedOffer();
        inner = new Offer();
        peer = null;
        if (signed.Length > OfferLimits.MaxBytes)
        {
            return OfferRejection.Oversized;
        }

        try
        {
            envelope = SignedOffer.Parser.ParseBounded(signed.Span);
            inner = Offer.Parser.ParseBounded(envelope.Offer.Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return OfferRejection.Malformed;
        }

        return AreFieldsInBounds(inner) && PeerId.TryFromBytes(inner.PeerId.Span, out peer) && peer.TryGetPublicKey(out _)
            ? CheckTimes(inner, now)
            : OfferRejection.Malformed;
    }

    private static OfferRejection CheckTimes(Offer offer, DateTimeOffset now)
    {
        ulong nowMs = (ulong)now.ToUnixTimeMilliseconds();
        if (offer.ExpiresAtMs <= nowMs)
        {
            return OfferRejection.Expired;
        }

        bool future = offer.IssuedAtMs > nowMs + (ulong)OfferLimits.ClockSkew.TotalMilliseconds;
        return future ? OfferRejection.FromTheFuture : OfferRejection.None;
    }

    private static bool AreFieldsInBounds(Offer offer) =>
        offer.ModelId.Length == 32
        && offer.Prices is { Prompt: <= OfferLimits.MaxPrice, Cached: <= OfferLimits.MaxPrice, Completion: <= OfferLimits.MaxPrice }
        && offer.ModelName.Length is > 0 and <= OfferLimits.MaxText
        && offer.Quantisation.Length <= OfferLimits.MaxText
        && offer.Hardware.Length <= OfferLimits.MaxText
        && offer.Region.Length <= OfferLimits.MaxText
        && offer.EngineKind.Length <= OfferLimits.MaxText
        && offer.Agent.Length <= OfferLimits.MaxText
        && offer.EvidenceKind.Length <= OfferLimits.MaxText
        && offer.Tier.Length <= OfferLimits.MaxText
        && Tiers.Contains(offer.Tier)
        && offer.EvidenceDigest.Length == 32
        && offer.ProviderKey.Length == Ed25519PublicKey.Size
        && offer.Terms is not null
        && TonAddress.TryParse(offer.Payout, out _)
        && offer.Addresses.Count <= OfferLimits.MaxAddresses
        && offer.Capabilities.Count <= OfferLimits.MaxItems
        && offer.Protocols.Count <= OfferLimits.MaxItems
        && offer.ChannelCodeHashes.Count <= OfferLimits.MaxItems
        && offer.ChannelCodeHashes.All(h => h.Length == 32)
        && offer.IssuedAtMs <= long.MaxValue
        && offer.ExpiresAtMs > offer.IssuedAtMs
        && offer.ExpiresAtMs - offer.IssuedAtMs <= (ulong)OfferLimits.TimeToLive.TotalMilliseconds
        && offer.SlotsFree <= offer.SlotsTotal
        && float.IsFinite(offer.DecodeTokensPerSecond)
        && float.IsFinite(offer.PrefillTokensPerSecond);
}
