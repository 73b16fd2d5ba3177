using Cocoon.Node.Payments;
using Cocoon.Node.Routing;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Sessions;

/// <summary>What an offer says about being paid, with the channel code that both sides know.</summary>
internal static class ProviderTermsReader
{
    /// <exception cref="PaymentException">No channel code in common.</exception>
    public static ProviderTerms From(VerifiedOffer offer, RouteTerms terms)
    {
        string code = offer.Offer.ChannelCodeHashes.Select(h => Convert.ToHexStringLower(h.Span)).FirstOrDefault(terms.ChannelCodeHashes.Contains)
            ?? throw new PaymentException(PaymentErrorCode.Terms, "The provider accepts no channel contract that this version knows.");
        return new ProviderTerms(
            offer.Peer,
            TonAddress.Parse(offer.Offer.Payout),
            new Ed25519PublicKey(offer.Offer.ProviderKey.Span),
            new CellHash(Convert.FromHexString(code)),
            offer.Offer.Terms.MinChallengeSeconds,
            offer.Offer.Terms.MinDepositNanoton,
            offer.Offer.Terms.GlobalId);
    }
}
