using Cocoon.Node.Cli;
using Cocoon.Node.Discovery;
using Cocoon.Node.Peers;
using Cocoon.Node.Serving;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Offers;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Control;

/// <summary>An evidence bundle as its peer shows it. Whoever asked appraises it in its own process: this node's word on it would be worth nothing.</summary>
/// <param name="Bundle">Base64.</param>
internal sealed record EvidenceDocument(int Schema, string PeerId, string Bundle);

/// <summary>The policy by which this client appraises when a request does not say otherwise.</summary>
/// <param name="Policy">As in a policy file; <c>null</c> where nobody is appraised.</param>
internal sealed record PolicyDocument(int Schema, string? Policy);

/// <summary>Gets the evidence of this node's enclave, or of a provider's, fresh from the provider.</summary>
internal sealed class AttestationReporter(PeerNetwork network, PeerResolver resolver, OfferBook book, IOptions<ClientOptions> options, OfferedModels? models = null, SessionOpener? sessions = null)
{
    public PolicyDocument Policy() => new(
        ControlJson.Schema,
        sessions is null ? null : AppraisalPolicyFile.Format(options.Value.Policy.AllowingSimulated(options.Value.AllowOpenTier)));

    /// <param name="peer">As people name it; <c>null</c>: this node.</param>
    /// <exception cref="CliException">There is no enclave here, no offer of that peer, or the peer showed none.</exception>
    public async Task<EvidenceDocument> ShowAsync(string? peer, CancellationToken cancellationToken)
    {
        PeerId subject = peer is null ? network.Host.LocalPeer : resolver.Resolve(peer);
        if (subject == network.Host.LocalPeer)
        {
            // Of several enclaves the first: they are the same program, each with keys of its own.
            return models?.All.FirstOrDefault(m => m.Enclave.Info is not null)?.Enclave.Info is { } info
                ? Document(subject, info.Ready.EvidenceBundle.Span)
                : throw new CliException(ExitCode.NotFound, "this node has no enclave running", null, "Name a provider: cocoon attest show PEER. See 'cocoon offers'.");
        }

        if (sessions is null)
        {
            throw new CliException(ExitCode.NotFound, "this node asks no providers", "only a light client opens sessions", "Use the data directory of a 'cocoon client'.");
        }

        VerifiedOffer offer = book.All().FirstOrDefault(o => o.Peer == subject)
            ?? throw new CliException(ExitCode.NotFound, $"{subject} offers nothing now", null, "See 'cocoon offers'.");
        try
        {
            return Document(subject, (await sessions.FetchEvidenceAsync(offer, cancellationToken)).Span);
        }
        catch (InferenceException exception)
        {
            int code = exception.Failure == InferenceFailure.AttestationRefused ? ExitCode.AttestationRefused : ExitCode.Network;
            throw new CliException(code, exception.What, exception.Why, exception.Fix);
        }
    }

    private static EvidenceDocument Document(PeerId peer, ReadOnlySpan<byte> bundle) => new(ControlJson.Schema, peer.ToString(), Convert.ToBase64String(bundle));
}
