using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Sessions;

/// <summary>The failures of a session in words: the one place where wire reasons become what, why and fix.</summary>
internal static class SessionFailures
{
    public static InferenceException Lost(VerifiedOffer offer, string why, Exception? inner = null, ulong? atRisk = null) => new(
        InferenceFailure.ProviderLost,
        $"provider {Short(offer)} was lost",
        why,
        "Ask again; another provider is chosen when there is one ('cocoon offers').",
        inner)
    {
        TryAnother = true,
        AtRiskNanoton = atRisk,
    };

    /// <summary>An answer that is not what the enclave sealed, or not all of it; the code is the word of what was done to it.</summary>
    public static InferenceException Spoiled(SessionException fault, ulong atRisk) => new(
        InferenceFailure.Truncated,
        "the answer was cut or changed on its way",
        $"{fault.Word}: {fault.Message}",
        "Do not use the part that came; ask again.",
        fault)
    {
        Code = fault.Word,
        TryAnother = true,
        AtRiskNanoton = atRisk,
    };

    public static InferenceException NoRelay(NoRelayException exception) => new(
        InferenceFailure.NoRelay,
        "the request was not sent",
        exception.Message,
        "Relays are peers started with --privacy-relay ('cocoon peers'). Ask for fewer with \"cocoon\": {\"relays\": …}; what was used once ('cocoon status') is the least, and only starting the client with --relays N lowers it, where 0 shows providers your address.",
        exception);

    public static InferenceException Refused(VerifiedOffer offer, WelcomeResult result)
    {
        string[] words = [.. result.Reasons];
        bool simulated = words.Contains(ReasonWords.PolicySimulated);
        return new InferenceException(
            simulated ? InferenceFailure.TierRefused : InferenceFailure.AttestationRefused,
            $"the enclave of provider {Short(offer)} was refused",
            string.Join(", ", words),
            simulated
                ? "Its evidence is simulated (tier open): nothing protects your prompt from the machine's owner. Allow it with --allow-open, or per request with \"cocoon\": {\"allow_open\": true}."
                : "'cocoon attest reasons' explains the words, 'cocoon attest show' prints the evidence, and 'cocoon offers' names other providers.")
        {
            TryAnother = true,
            RefusedEvidence = result.RefusedBundle,
        };
    }

    /// <param name="wasBehind">More was owed than this side knew; it is now known here.</param>
    public static InferenceException FromDecline(VerifiedOffer offer, Declined declined, ulong? atRisk = null, bool wasBehind = false)
    {
        if (declined.Reason == DeclineReason.DeclineLost)
        {
            return Lost(offer, "its enclave ended", atRisk: atRisk);
        }

        (InferenceFailure failure, string fix) = declined.Reason switch
        {
            DeclineReason.DeclineSlots or DeclineReason.DeclineRate => (InferenceFailure.Overloaded, "Ask again in a moment."),
            DeclineReason.DeclineFunds => (InferenceFailure.NoFunds, "Top the channel up: 'cocoon channels topup', or raise the deposit."),
            DeclineReason.DeclineVoucher or DeclineReason.DeclineChannel or DeclineReason.DeclineClosing or DeclineReason.DeclineExpired =>
                (InferenceFailure.Declined, "See 'cocoon channels'; closing the channel opens a new one at the next request."),
            DeclineReason.DeclineChain => (InferenceFailure.ChainUnavailable, "The provider cannot see the chain; ask again, or use another provider."),
            _ => (InferenceFailure.Declined, "Ask again; another provider is chosen when there is one."),
        };
        string detail = declined.Detail.Length > 256 ? declined.Detail[..256] : declined.Detail;
        return new InferenceException(failure, $"provider {Short(offer)} declined", $"{DeclineWords.Of(declined.Reason)}: {Printable(detail)}", fix)
        {
            TryAnother = true,
            ChannelIsClosing = declined.Reason == DeclineReason.DeclineClosing,
            ChannelWasBehind = wasBehind,
            SessionWasStale = declined.Reason is DeclineReason.DeclineEnclave or DeclineReason.DeclineQuote,
            RetryAfter = declined.RetryAfterMs > 0 ? TimeSpan.FromMilliseconds(Math.Min(declined.RetryAfterMs, 60_000)) : null,
            AtRiskNanoton = atRisk,
        };
    }

    public static InferenceException FromEngine(Failed failed) => new(
        InferenceFailure.EngineFailed, "the model refused the request", failed.Message, failed.Retryable ? "Ask again." : "Change the request.")
    {
        HttpStatus = failed.HttpStatus is >= 400 and < 600 ? (int)failed.HttpStatus : 500,
        Type = failed.Type.Length > 0 ? failed.Type : null,
        Code = failed.Code.Length > 0 ? failed.Code : null,
        Param = failed.Param.Length > 0 ? failed.Param : null,
        TryAnother = failed.Retryable,
    };

    public static InferenceException Overcharged(VerifiedOffer offer, string why, ulong atRisk) => new(
        InferenceFailure.Overcharged,
        $"provider {Short(offer)} charges more than this request can cost",
        why,
        "Nothing above the bound was paid. The provider is avoided from now on.")
    {
        AtRiskNanoton = atRisk,
    };

    public static string Short(VerifiedOffer offer)
    {
        string id = offer.Peer.ToString();
        return "…" + id[^6..];
    }

    /// <summary>A remote's words on our terminal: no control characters.</summary>
    private static string Printable(string text) => new([.. text.Select(c => char.IsControl(c) ? ' ' : c)]);
}
