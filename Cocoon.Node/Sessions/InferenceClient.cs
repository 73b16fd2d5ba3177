using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Attestation;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Chooses a provider, opens a session, pays and streams; before the first token a failed provider is replaced by the next.</summary>
internal sealed partial class InferenceClient(
    ILibp2pHost host,
    IProviderStreams streams,
    OfferBook book,
    IOfferFinder finder,
    ClientChannels channels,
    ReceiptStore receipts,
    RouteTerms terms,
    WarmSessions warm,
    IOptions<ClientOptions> options,
    TimeProvider time,
    ILogger<InferenceClient> logger) : IInferenceClient
{
    private readonly KnownEvidence _evidence = new();
    private readonly AppraisalCache _appraisals = new(EvidenceAppraiser.Standard);
    private readonly DateTimeOffset _started = time.GetUtcNow();

    public IReadOnlyList<OfferedModel> Models =>
    [
        .. book.All()
            .GroupBy(o => (o.Offer.ModelName, o.ModelIdHex))
            .Select(g => new OfferedModel(
                g.Key.ModelName,
                g.Key.ModelIdHex,
                g.Select(o => o.Offer.Tier).MaxBy(TierRank)!,
                g.Count(),
                g.Max(o => o.Offer.ContextTokens),
                g.Min(o => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min(o.Offer.UptimeSinceMs, (ulong)_started.ToUnixTimeMilliseconds())))))
            .OrderByDescending(m => m.Providers)
            .ThenBy(m => m.Name, StringComparer.Ordinal),
    ];

    public async IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HashSet<string> failed = [];
        InferenceException? last = null;
        bool wasStale = false;
        for (int attempt = 0; attempt < options.Value.MaxAttempts; attempt++)
        {
            VerifiedOffer offer = await ChooseAsync(ask, failed, last, cancellationToken);
            Attempt course = new();
            await using IAsyncEnumerator<AnswerPart> parts = AttemptAsync(offer, ask, course, cancellationToken).GetAsyncEnumerator(cancellationToken);
            bool delivered = false;
            while (true)
            {
                try
                {
                    if (!await parts.MoveNextAsync())
                    {
                        yield break;
                    }
                }
                catch (InferenceException exception) when (!wasStale && course.IsStale && exception.Failure == InferenceFailure.ProviderLost)
                {
                    // The session kept warm had died unseen: that says nothing about the provider, which is asked once more.
                    wasStale = true;
                    attempt--;
                    break;
                }
                catch (InferenceException exception) when (exception.TryAnother && !delivered && attempt + 1 < options.Value.MaxAttempts)
                {
                    book.History(offer.Peer).RecordFailure(exception.Failure.ToString());
                    Log.TryingAnother(logger, exception.Failure);
                    failed.Add(offer.Peer.ToString());
                    last = exception;
                    break;
                }
                catch (InferenceException exception)
                {
                    book.History(offer.Peer).RecordFailure(exception.Failure.ToString());
                    throw;
                }

                AnswerPart part = parts.Current;
                delivered |= part is AnswerPart.Text or AnswerPart.Vector;
                yield return part;
            }
        }

        throw last!;
    }

    private async IAsyncEnumerable<AnswerPart> AttemptAsync(
        VerifiedOffer offer, Ask ask, Attempt course, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TimeSpan? first = null;
        OpenedSession? ready = await warm.TakeAsync(offer, ask.AllowOpenTier, Relays(ask));
        course.IsStale = ready is not null;
        (ClientChannel channel, OpenedSession session) = await PrepareAsync(offer, ask, ready, cancellationToken);
        await using OpenedSession owned = session;
        long started = time.GetTimestamp();
        SessionRun run = new(session, channel, Begin(channel, session, ask), ask, receipts, time);
        await foreach (AnswerPart part in run.RunAsync(cancellationToken))
        {
            switch (part)
            {
                case AnswerPart.Opened:
                    course.IsStale = false;
                    break;
                case AnswerPart.Text:
                    first ??= time.GetElapsedTime(started);
                    break;
                case AnswerPart.Ended ended when first is { } firstText:
                    double seconds = (time.GetElapsedTime(started) - firstText).TotalSeconds;
                    uint tokens = ended.Finished.Usage?.CompletionTokens ?? 0;
                    book.History(offer.Peer).RecordAnswer(firstText, tokens > 8 && seconds > 0.01 ? (tokens - 1) / seconds : null);
                    break;
            }

            yield return part;
        }

        warm.Prepare(offer.Peer, ask.AllowOpenTier, Relays(ask), fresh => OpenAsync(LatestOffer(offer), ask, fresh));
    }

    /// <summary>A channel and a session with an unexpired quote. No money moves towards an enclave that was not appraised first.</summary>
    private async Task<(ClientChannel Channel, OpenedSession Session)> PrepareAsync(
        VerifiedOffer offer, Ask ask, OpenedSession? ready, CancellationToken cancellationToken)
    {
        OpenedSession session = ready ?? await OpenAsync(offer, ask, cancellationToken);
        try
        {
            ClientChannel channel = await GetChannelAsync(offer, ask, cancellationToken);
            if (session.QuoteEnds <= time.GetUtcNow() + WarmSessions.Margin)
            {
                // Opening a channel can outlast a quote.
                await session.DisposeAsync();
                session = await OpenAsync(LatestOffer(offer), ask, cancellationToken);
            }

            return (channel, session);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    private int Relays(Ask ask) => Math.Max(ask.Relays, streams.LeastRelays);

    /// <summary>The provider's newest offer for the model: an older one may run out before the session is used.</summary>
    private VerifiedOffer LatestOffer(VerifiedOffer offer) => book.ForModel(offer.ModelIdHex).FirstOrDefault(o => o.Peer == offer.Peer) ?? offer;

    private async Task<ClientChannel> GetChannelAsync(VerifiedOffer offer, Ask ask, CancellationToken cancellationToken)
    {
        ulong need = Math.Max(
            QuoteIssuer.Step(offer.Offer.Prices),
            Metering.Due(offer.Offer.Prices, new TokenCounts((uint)ask.Body.Length / 3, 0, ask.MaxTokens ?? RequestBound.DefaultMaxTokens)));
        try
        {
            return await channels.GetOrOpenAsync(ProviderTermsReader.From(offer, terms), need, cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }
    }

    private static Payments.ClientSession Begin(ClientChannel channel, OpenedSession session, Ask ask)
    {
        try
        {
            return channel.BeginSession(SessionId.From(session.Enclave.SessionId), limit: null, ask.Spender);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }
    }

    private async Task<OpenedSession> OpenAsync(VerifiedOffer offer, Ask ask, CancellationToken cancellationToken)
    {
        WelcomeVerifier verifier = new(_appraisals, _evidence, time);
        AppraisalPolicy policy = AppraisalPolicy.Default with
        {
            Id = ask.AllowOpenTier ? "default+simulated" : "default",
            AllowSimulated = ask.AllowOpenTier,
        };
        ReadOnlyMemory<byte>? known = _evidence.Contains(offer.Offer.EvidenceDigest.Span) ? offer.Offer.EvidenceDigest.Memory : null;
        OpenedSession session = await OpenedSession.OpenAsync(streams, offer, Relays(ask), verifier, policy, known, time, cancellationToken);
        book.History(offer.Peer).RecordAppraised();
        Log.SessionOpened(logger, session.Enclave.Claims.Tier.Word(), session.Enclave.Claims.Kind.Word());
        return session;
    }

    private async Task<VerifiedOffer> ChooseAsync(Ask ask, HashSet<string> failed, InferenceException? last, CancellationToken cancellationToken)
    {
        TimeSpan wait = book.All().Count > 0 ? options.Value.UnknownModelWait : options.Value.DiscoveryWait;
        IReadOnlyList<VerifiedOffer> offers = await finder.FindAsync(ask.Model, wait, cancellationToken);
        if (offers.Count == 0)
        {
            throw last ?? NoOffer(ask.Model, wait);
        }

        uint prompt = (uint)Math.Min(int.MaxValue, ask.Body.Length / 4);
        RouteRequest route = Route(prompt, ask.MaxTokens ?? 256, ask.AllowOpenTier, ask.Provider, failed);
        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(offers, route, book);
        return ranked[0].Rejection is null ? ranked[0].Offer : throw last ?? AllRejected(ask, ranked);
    }

    private RouteRequest Route(uint prompt, uint completion, bool allowOpen, string? provider, IReadOnlySet<string> excluded) =>
        new(prompt, completion, allowOpen, provider, terms.ChannelCodeHashes, terms.GlobalId) { Excluded = excluded };

    private InferenceException NoOffer(string model, TimeSpan waited)
    {
        bool anyModel = book.All().Count > 0;
        return new InferenceException(
            anyModel ? InferenceFailure.ModelNotFound : InferenceFailure.NoOffer,
            $"no provider offers '{model}'",
            $"nothing was heard within {waited.TotalSeconds:0} s from {host.Connections.Count} connected peers",
            anyModel ? "See 'cocoon offers' or GET /v1/models for what is on offer." : "Check 'cocoon peers'; a bootstrap address may be wrong or down.");
    }

    private static InferenceException AllRejected(Ask ask, IReadOnlyList<RankedOffer> ranked)
    {
        string words = string.Join(", ", ranked.GroupBy(r => r.Rejection!).Select(g => $"{g.Key} ({g.Count()})"));
        bool tier = ranked.Any(r => r.Rejection == "tier");
        return new InferenceException(
            tier ? InferenceFailure.TierRefused : InferenceFailure.NoOffer,
            $"every offer of '{ask.Model}' was rejected",
            words,
            tier
                ? "Only tier 'open' is on offer, where nothing protects your prompt from the machine's owner. Allow it with --allow-open, or per request with \"cocoon\": {\"allow_open\": true}."
                : "See 'cocoon offers --explain'.");
    }

    /// <summary>What an attempt tells the loop around it.</summary>
    private sealed class Attempt
    {
        /// <summary>It runs on a session kept warm that has not answered yet.</summary>
        public bool IsStale { get; set; }
    }

    private static int TierRank(string tier) => tier switch
    {
        "cc-gpu" => 2,
        "cc-cpu" => 1,
        _ => 0,
    };

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Debug, "Session opened: tier {Tier}, evidence {Kind}")]
        public static partial void SessionOpened(ILogger logger, string tier, string kind);

        [LoggerMessage(2002, LogLevel.Information, "A provider failed before its first token ({Failure}); asking the next")]
        public static partial void TryingAnother(ILogger logger, InferenceFailure failure);
    }
}
