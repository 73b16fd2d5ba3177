using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Offers;

/// <summary>Signs own offers.</summary>
internal static class OfferWriter
{
    /// <summary>Serialises and signs; <c>peer_id</c> must be that of <paramref name="peerKey"/>.</summary>
    public static VerifiedOffer Sign(Offer offer, Identity.PeerId peer, Ed25519PrivateKey peerKey)
    {
        offer.PeerId = ByteString.CopyFrom(peer.Bytes);
        byte[] inner = offer.ToByteArray();
        SignedOffer signed = new()
        {
            Offer = UnsafeByteOperations.UnsafeWrap(inner),
            Signature = UnsafeByteOperations.UnsafeWrap(SignedMessage.Sign(SignedMessage.OfferDomain, inner, peerKey)),
        };
        return new VerifiedOffer(peer, offer, signed.ToByteArray(), VerifiedOffer.ComputeDigest(inner));
    }
}
