using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Protocol.Offers;

/// <summary>The statement of kind 1 in a bonded provider's offer: its price fields under one price version.</summary>
/// <remarks>
/// <code>digest = SHA-256("cocoon/prices/v1\0" · model id 32 · prompt u64 · cached u64 · completion u64), big-endian; slot = price version</code>
/// Two of them with the same version and other prices or another model cost the stake, so a version is on disk before it is signed.
/// </remarks>
internal static class PriceStatement
{
    /// <summary>Names the bond in the offer and signs its prices for it; to be called before the offer itself is signed.</summary>
    public static void Sign(Offer offer, TonAddress bond, ulong version, Ed25519PrivateKey peerKey)
    {
        offer.Bond = bond.ToString();
        offer.PriceVersion = version;
        offer.PriceStatementSignature = UnsafeByteOperations.UnsafeWrap(Of(bond, offer).Sign(peerKey));
    }

    /// <summary>The bond that an offer names and has signed its prices for. Whether there is such a bond only the chain tells.</summary>
    public static bool TryGetBond(VerifiedOffer offer, out TonAddress bond, [NotNullWhen(true)] out Ed25519PublicKey? key)
    {
        key = null;
        return TonAddress.TryParseRaw(offer.Offer.Bond, out bond)
            && bond.Workchain == 0
            && offer.Peer.TryGetPublicKey(out key)
            && Of(bond, offer.Offer).Verify(key, offer.Offer.PriceStatementSignature.Span);
    }

    /// <summary>SHA-256 of the price fields.</summary>
    public static CellHash DigestOf(Offer offer)
    {
        ReadOnlySpan<byte> domain = "cocoon/prices/v1\0"u8;
        Span<byte> data = stackalloc byte[domain.Length + 32 + (3 * sizeof(ulong))];
        domain.CopyTo(data);
        offer.ModelId.Span.CopyTo(data[domain.Length..]);
        Span<byte> prices = data[(domain.Length + 32)..];
        BinaryPrimitives.WriteUInt64BigEndian(prices, offer.Prices.Prompt);
        BinaryPrimitives.WriteUInt64BigEndian(prices[8..], offer.Prices.Cached);
        BinaryPrimitives.WriteUInt64BigEndian(prices[16..], offer.Prices.Completion);
        return new CellHash(SHA256.HashData(data));
    }

    private static BondStatement Of(TonAddress bond, Offer offer) =>
        new(bond.Id, BondStatementKind.PriceList, BondStatement.NumberSlot(offer.PriceVersion), DigestOf(offer));
}
