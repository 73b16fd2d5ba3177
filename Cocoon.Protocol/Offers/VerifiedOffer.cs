using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers.Proto;
using Google.Protobuf;

namespace Cocoon.Protocol.Offers;

/// <summary>An offer whose fields are within bounds and whose inner signature is the provider's.</summary>
/// <param name="Signed">The exact <c>SignedOffer</c> bytes, to be kept and forwarded as proof.</param>
/// <param name="Digest">SHA-256 of the inner offer bytes: what a Hello and a Quote refer to.</param>
internal sealed record VerifiedOffer(PeerId Peer, Offer Offer, ReadOnlyMemory<byte> Signed, ReadOnlyMemory<byte> Digest)
{
    public string ModelIdHex { get; } = Convert.ToHexStringLower(Offer.ModelId.Span);

    /// <summary>An offer without slots takes the provider's earlier one back.</summary>
    public bool IsWithdrawal => Offer.SlotsTotal == 0;

    public DateTimeOffset IssuedAt => DateTimeOffset.FromUnixTimeMilliseconds((long)Offer.IssuedAtMs);

    public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeMilliseconds((long)Offer.ExpiresAtMs);

    /// <summary>Where the provider says it listens; what cannot be read is left out. Unproven, like any address.</summary>
    public IEnumerable<Multiaddr> Addresses
    {
        get
        {
            foreach (ByteString bytes in Offer.Addresses)
            {
                if (Multiaddr.TryFromBytes(bytes.Span, out Multiaddr? address))
                {
                    yield return address;
                }
            }
        }
    }

    internal static byte[] ComputeDigest(ReadOnlySpan<byte> offer) => SHA256.HashData(offer);
}
