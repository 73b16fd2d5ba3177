using Cocoon.Node.Discovery;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Opens sessions with providers whose enclaves the owner's policy accepts, and remembers what it has appraised.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed partial class SessionOpener(
    IProviderStreams streams, OfferBook book, IOptions<ClientOptions> options, TimeProvider time, ILogger<SessionOpener> logger)
{
    private readonly AppraisalPolicy _policy = options.Value.Policy.AllowingSimulated(false);
    private readonly AppraisalPolicy _openPolicy = options.Value.Policy.AllowingSimulated(true);
    private readonly KnownEvidence _evidence = new();
    private readonly VerifiedKeys _keys = new();
    private readonly AppraisalCache _appraisals = new(EvidenceAppraiser.Standard);

    /// <summary>Privacy relays between here and the provider: what the request asks for, and never fewer than the node was given.</summary>
    public int Relays(Ask ask) => Math.Max(ask.Relays, streams.LeastRelays);

    /// <exception cref="InferenceException">Declined, refused by the policy, or lost.</exception>
    public async Task<OpenedSession> OpenAsync(VerifiedOffer offer, Ask ask, CancellationToken cancellationToken)
    {
        WelcomeVerifier verifier = new(_appraisals, _evidence, options.Value.Suites, time, _keys);
        AppraisalPolicy policy = ask.AllowOpenTier ? _openPolicy : _policy;
        ReadOnlyMemory<byte>? known = _evidence.Contains(offer.Offer.EvidenceDigest.Span) ? offer.Offer.EvidenceDigest.Memory : null;
        OpenedSession session = await OpenedSession.OpenAsync(streams, offer, Relays(ask), verifier, policy, known, time, cancellationToken);
        book.History(offer.Peer).RecordAppraised();
        Log.SessionOpened(logger, session.Enclave.Claims.Tier.Word(), session.Enclave.Claims.Kind.Word());
        return session;
    }

    /// <summary>Another session, by the provider's newest offer for the model: the one at hand may run out before the session is used.</summary>
    /// <exception cref="InferenceException">Declined, refused by the policy, or lost.</exception>
    public Task<OpenedSession> ReopenAsync(VerifiedOffer offer, Ask ask, CancellationToken cancellationToken) =>
        OpenAsync(book.ForModel(offer.ModelIdHex).FirstOrDefault(o => o.Peer == offer.Peer) ?? offer, ask, cancellationToken);

    /// <summary>The evidence that a provider shows now. Opens a session and closes it: nothing is asked and nothing paid.</summary>
    /// <remarks>Evidence that this client's policy refuses is shown too: whoever asks judges it, and has to see what to judge.</remarks>
    /// <exception cref="InferenceException">The provider is lost, or its welcome is refused for more than the evidence in it.</exception>
    public async Task<ReadOnlyMemory<byte>> FetchEvidenceAsync(VerifiedOffer offer, CancellationToken cancellationToken)
    {
        KnownEvidence shown = new();
        WelcomeVerifier verifier = new(_appraisals, shown, options.Value.Suites, time);
        try
        {
            await using OpenedSession session =
                await OpenedSession.OpenAsync(streams, offer, streams.LeastRelays, verifier, _openPolicy, knownEvidence: null, time, cancellationToken);
            return shown.TryGet(session.Enclave.Attestation.EvidenceDigest.AsSpan(), out byte[]? bundle) ? bundle : [];
        }
        catch (InferenceException refused) when (refused.RefusedEvidence is not null)
        {
            return refused.RefusedEvidence;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Debug, "Session opened: tier {Tier}, evidence {Kind}")]
        public static partial void SessionOpened(ILogger logger, string tier, string kind);
    }
}
