using System.Security.Cryptography;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Node.Sessions;

/// <summary>A session up to its Welcome: the enclave is appraised, nothing is paid and nothing of the request is known to anybody.</summary>
/// <remarks>
/// Owns the stream. May be kept warm until its quote runs out. Serves one request at a time, and another only after one that came to its
/// end: see <see cref="TryAdvance"/>.
/// </remarks>
internal sealed class OpenedSession : IAsyncDisposable
{
    private static readonly TimeSpan WelcomeWait = TimeSpan.FromSeconds(10);

    private readonly SessionLink _link;
    private (CellHash Channel, ByteString Signature)? _payer;

    private OpenedSession(SessionLink link, VerifiedOffer offer, AppraisedEnclave enclave, IReadOnlyList<PeerId> relays)
    {
        _link = link;
        Relays = relays;
        Offer = offer;
        Enclave = enclave;
    }

    public VerifiedOffer Offer { get; }

    /// <summary>With the id of the request that runs or is the next.</summary>
    public AppraisedEnclave Enclave { get; private set; }

    public SessionLink Link => _link;

    /// <summary>Privacy relays that carry the session, in order from here.</summary>
    public IReadOnlyList<PeerId> Relays { get; }

    /// <summary>Says for the session whose channel pays; the same for all its requests.</summary>
    public ByteString PayerSignature(ClientChannel channel)
    {
        if (_payer?.Channel != channel.Channel)
        {
            byte[] signature = channel.SignPayer(Enclave.TranscriptHash.AsSpan(0, SessionTranscript.SessionIdSize));
            _payer = (channel.Channel, UnsafeByteOperations.UnsafeWrap(signature));
        }

        return _payer.Value.Signature;
    }

    /// <summary>When its quote or its key runs out.</summary>
    public DateTimeOffset UsableUntil => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min(Enclave.Quote.NotAfterMs, Enclave.Key.NotAfterMs));

    /// <summary>Makes it ready for another request; <c>false</c> when it may serve none.</summary>
    public bool TryAdvance()
    {
        if (!IsAtRest || Enclave.Version < SessionVersions.Several)
        {
            return false;
        }

        IsAtRest = false;
        Enclave = Enclave.Following();
        return true;
    }

    /// <summary>Its request came to its end: the next byte on its stream belongs to another.</summary>
    public bool IsAtRest { get; set; }

    public AnswerSource Source(string channel, Shape shape) => new(
        Offer.Peer.ToString(),
        Enclave.Claims.Tier.Word(),
        Enclave.Claims.Kind.Word(),
        Offer.Offer.ModelName,
        Offer.ModelIdHex,
        Enclave.Claims.ModelAssurance,
        channel,
        shape.ToString().ToLowerInvariant())
    {
        Relays = [.. Relays.Select(r => r.ToString())],
    };

    /// <exception cref="InferenceException">Declined, refused by the policy, or lost.</exception>
    public static async Task<OpenedSession> OpenAsync(
        IProviderStreams streams, VerifiedOffer offer, int relays, WelcomeVerifier verifier, AppraisalPolicy policy, ReadOnlyMemory<byte>? knownEvidence,
        TimeProvider time, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(WelcomeWait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        IPeerStream? stream = null;
        SessionLink? link = null;
        try
        {
            // The offer is the newest word on where its signer listens; a provider that restarted may be known by a dead address only.
            ProviderStream opened = await streams.OpenAsync(offer.Peer, [.. offer.Addresses], SessionLink.ProtocolId, relays, linked.Token);
            stream = opened.Stream;
            link = new SessionLink(stream);
            Hello hello = new()
            {
                Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
                Versions = { SessionVersions.One, SessionVersions.Several },
                ModelId = offer.Offer.ModelId,
                OfferDigest = ByteString.CopyFrom(offer.Digest.Span),
                FreshEvidence = policy.RequireFreshEvidence,
            };
            if (knownEvidence is { } known)
            {
                hello.KnownEvidence.Add(ByteString.CopyFrom(known.Span));
            }

            byte[] helloBytes = hello.ToByteArray();
            await link.WriteAsync(new ClientMessage { Hello = hello }, linked.Token);
            ProviderMessage? answer = await link.ReadProviderMessageAsync(linked.Token);
            AppraisedEnclave enclave = answer?.BodyCase switch
            {
                ProviderMessage.BodyOneofCase.Welcome => Appraise(verifier, helloBytes, answer.Welcome, offer, policy),
                ProviderMessage.BodyOneofCase.Declined => throw SessionFailures.FromDecline(offer, answer.Declined),
                _ => throw SessionFailures.Lost(offer, "it answered the hello with something else"),
            };
            OpenedSession session = new(link, offer, enclave, opened.Relays);
            (stream, link) = (null, null);
            return session;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw SessionFailures.Lost(offer, $"it did not answer within {WelcomeWait.TotalSeconds:0} s");
        }
        catch (NoRelayException exception)
        {
            throw SessionFailures.NoRelay(exception);
        }
        catch (Exception exception) when (exception is IOException or Libp2pException)
        {
            throw SessionFailures.Lost(offer, $"the connection failed ({exception.Message.TrimEnd('.')})", exception);
        }
        finally
        {
            link?.Dispose();
            if (stream is not null)
            {
                stream.Reset();
                await stream.DisposeAsync();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _link.Dispose();
        await _link.Stream.DisposeAsync();
    }

    private static AppraisedEnclave Appraise(WelcomeVerifier verifier, byte[] hello, Welcome welcome, VerifiedOffer offer, AppraisalPolicy policy)
    {
        WelcomeResult result = verifier.Verify(hello, welcome, new WelcomeExpectation(offer.Peer, offer.Offer.Prices, offer.Offer.Tier, policy));
        return result.Enclave ?? throw SessionFailures.Refused(offer, result);
    }
}
