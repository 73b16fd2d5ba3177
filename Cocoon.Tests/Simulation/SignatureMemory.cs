using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p.Protocols.Gossipsub;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;

namespace Cocoon.Tests.Simulation;

/// <summary>Verifies each signed thing once for the whole network: the same bytes give the same result at every node.</summary>
/// <remarks>Parsed offers are shared too. Forgets in two generations, so that it stays small and recent things stay known.</remarks>
internal sealed class SignatureMemory
{
    private const int Generation = 50_000;

    private Dictionary<UInt128, object> _young = [];
    private Dictionary<UInt128, object> _old = [];

    /// <summary>Signatures really verified.</summary>
    public long Verified { get; private set; }

    public bool Verify(GossipMessage message) => (bool)Recall(message.Raw.Span, () => (object)MessageSigning.Verify(message));

    public bool Verify(SignedDirectory signed, PeerId from) =>
        (bool)Recall(signed.Signature.Span, () => SignedMessage.Verify(SignedMessage.DirectoryDomain, signed.Directory.Span, signed.Signature.Span, KeyOf(from)));

    public OfferRejection Read(ReadOnlyMemory<byte> signed, DateTimeOffset now, out VerifiedOffer? offer)
    {
        (OfferRejection rejection, offer) = ((OfferRejection, VerifiedOffer?))Recall(signed.Span, () =>
        {
            OfferRejection result = OfferReader.TryRead(signed, now, out VerifiedOffer? read);
            return (result, read);
        });

        // Time passes; what was verified does not change, but it expires.
        if (offer is not null && offer.ExpiresAt <= now)
        {
            offer = null;
            return OfferRejection.Expired;
        }

        return rejection;
    }

    private static Cocoon.Protocol.Cryptography.Ed25519PublicKey KeyOf(PeerId peer) =>
        peer.TryGetPublicKey(out Cocoon.Protocol.Cryptography.Ed25519PublicKey? key) ? key : throw new ArgumentException("Not an Ed25519 peer.", nameof(peer));

    private object Recall(ReadOnlySpan<byte> bytes, Func<object> verify)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(bytes, hash);
        UInt128 key = new(BitConverter.ToUInt64(hash), BitConverter.ToUInt64(hash[8..]));
        if (_young.TryGetValue(key, out object? known) || _old.TryGetValue(key, out known))
        {
            return known;
        }

        Verified++;
        known = verify();
        if (_young.Count >= Generation)
        {
            (_old, _young) = (_young, []);
        }

        _young.Add(key, known);
        return known;
    }
}
