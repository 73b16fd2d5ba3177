using System.Security.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers.Proto;

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

    internal static byte[] ComputeDigest(ReadOnlySpan<byte> offer) => SHA256.HashData(offer);
}
