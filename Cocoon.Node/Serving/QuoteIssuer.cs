using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Offers.Proto;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Serving;

/// <summary>Turns an own unexpired offer into a signed quote. Prices come from the offer the client followed, never dearer.</summary>
internal sealed class QuoteIssuer(Ed25519PrivateKey peerKey, TimeProvider time)
{
    /// <summary>Granularity in which the host learns dues; a voucher step covers this many completion tokens at least.</summary>
    public const uint UnitTokens = 64;

    private const uint StepPromptTokens = 2048;
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    public SignedQuote Issue(VerifiedOffer followed, Hello hello, ulong creditNanoton)
    {
        Offer offer = followed.Offer;
        Quote quote = new()
        {
            OfferDigest = ByteString.CopyFrom(followed.Digest.Span),
            HelloNonce = hello.Nonce,
            Prices = offer.Prices.Clone(),
            UnitTokens = UnitTokens,
            StepNanoton = Step(offer.Prices),
            CreditNanoton = creditNanoton,
            NotAfterMs = (ulong)(time.GetUtcNow() + Lifetime).ToUnixTimeMilliseconds(),
            MaxOutputTokens = offer.MaxOutputTokens,
            ContextTokens = offer.ContextTokens,
        };
        return SignedRecords.SignQuote(peerKey, quote);
    }

    /// <summary>The dearer of 2,048 prompt tokens and 64 completion tokens, rounded up.</summary>
    public static ulong Step(Prices prices)
    {
        UInt128 prompt = (UInt128)StepPromptTokens * prices.Prompt, completion = (UInt128)UnitTokens * prices.Completion;
        return (ulong)((UInt128.Max(prompt, completion) + 999_999) / 1_000_000);
    }
}
