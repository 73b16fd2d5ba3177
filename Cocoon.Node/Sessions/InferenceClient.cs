using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Chooses a provider, opens a session, pays and streams; before the first token a failed provider is replaced by the next.</summary>
internal sealed partial class InferenceClient(
    ILibp2pHost host,
    SessionOpener opener,
    OfferBook book,
    IOfferFinder finder,
    ClientChannels channels,
    ChannelCloser closer,
    ReceiptStore receipts,
    RouteTerms terms,
    WarmSessions warm,
    WarmPrefixes prefixes,
    IOptions<ClientOptions> options,
    TimeProvider time,
    ILogger<InferenceClient> logger) : IInferenceClient
{
    /// <summary>The enclave's code for a prompt that costs more than its request allows.</summary>
    private const string MaxDueExceeded = "max_due_exceeded";

    private readonly DateTimeOffset _started = time.GetUtcNow();

    public IReadOnlyList<AvailableModel> Models => AvailableModel.From(book.All(), _started);

    public async IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<VerifiedOffer> failed = [];
        DeliveredAnswer delivered = new(ask);
        PromptPrefix prompt = PromptPrefix.Of(ask);
        Ask current = ask;
        InferenceException? last = null;
        bool wasStale = false, wasClosing = false, wasBehind = false;
        for (int attempt = 0; attempt < options.Value.MaxAttempts; attempt++)
        {
            VerifiedOffer offer = await ChooseAsync(current, prompt, failed, delivered.IsEmpty, last, cancellationToken);
            Attempt course = new() { Prompt = prompt };
            await using IAsyncEnumerator<AnswerPart> parts = AttemptAsync(offer, current, course, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (true)
            {
                try
                {
                    if (!await parts.MoveNextAsync())
                    {
                        yield break;
                    }
                }
                catch (InferenceException exception) when (
                    !wasStale && course.IsStale && (exception.Failure == InferenceFailure.ProviderLost || exception.SessionWasStale))
                {
                    // The session kept warm had died unseen, or its enclave has: that says nothing about the provider, which is asked once more.
                    wasStale = true;
                    await warm.ForgetAsync(offer.Peer);
                    attempt--;
                    break;
                }
                catch (InferenceException exception) when (!wasClosing && exception.ChannelIsClosing && course.Channel is { } closing && delivered.IsEmpty)
                {
                    wasClosing = true;
                    Record(offer, exception);
                    if (await closer.ConfirmClosingAsync(closing, cancellationToken))
                    {
                        // Another channel to the same provider pays for this request.
                        attempt--;
                    }
                    else if (attempt + 1 < options.Value.MaxAttempts)
                    {
                        Log.TryingAnother(logger, exception.Failure, "before its first token");
                        failed.Add(offer);
                        last = exception;
                    }
                    else
                    {
                        throw;
                    }

                    break;
                }
                catch (InferenceException exception) when (!wasBehind && exception.ChannelWasBehind)
                {
                    // A session that was cut off had cost more than we saw of it: now that is vouched for too.
                    wasBehind = true;
                    attempt--;
                    break;
                }
                catch (InferenceException exception) when (
                    exception.TryAnother && attempt + 1 < options.Value.MaxAttempts && (delivered.IsEmpty || delivered.CanGoOn))
                {
                    Record(offer, exception);
                    Log.TryingAnother(logger, exception.Failure, delivered.IsEmpty ? "before its first token" : "in the middle of its answer");
                    failed.Add(offer);
                    last = exception;
                }
                catch (InferenceException exception) when (course.IsCapped && exception.Code == MaxDueExceeded)
                {
                    throw SpendLimitReached(exception);
                }
                catch (InferenceException exception)
                {
                    Record(offer, exception);
                    throw;
                }

                if (last is not null && failed.Contains(offer))
                {
                    if (delivered.IsEmpty)
                    {
                        break;
                    }

                    delivered.End(course.Segment(delivered, last));
                    if (delivered.IsWhole)
                    {
                        yield return new AnswerPart.Ended(delivered.CutAtLimit());
                        yield return new AnswerPart.Completed(course.Cost(delivered.Segments), null, null) { Segments = delivered.Segments };
                        yield break;
                    }

                    current = delivered.Continue();
                    break;
                }

                if (Tell(parts.Current, course, delivered) is { } part)
                {
                    yield return part;
                }
            }
        }

        throw last!;
    }

    /// <summary>What the application hears of a part: of a replacement only what goes on, and in the end the sums over all providers.</summary>
    private static AnswerPart? Tell(AnswerPart part, Attempt course, DeliveredAnswer delivered)
    {
        switch (part)
        {
            case AnswerPart.Opened opened:
                course.Source = opened.Source;
                return delivered.Segments.Count == 0 ? part : null;
            case AnswerPart.Begun begun:
                delivered.Begin(begun);
                return delivered.Segments.Count == 0 ? part : null;
            case AnswerPart.Text text:
                delivered.Add(text.Delta);
                return part;
            case AnswerPart.Ended ended:
                course.CompletionTokens = ended.Finished.Usage?.CompletionTokens ?? 0;
                return new AnswerPart.Ended(delivered.Whole(ended.Finished));
            case AnswerPart.Completed completed:
                course.ReceiptId = completed.ReceiptId;
                AnswerSegment segment = course.Segment(delivered, null);
                List<AnswerSegment> segments = [.. delivered.Segments, segment];
                return completed with { Cost = course.Cost(segments), Segments = segments };
            default:
                return part;
        }
    }

    private async IAsyncEnumerable<AnswerPart> AttemptAsync(
        VerifiedOffer offer, Ask ask, Attempt course, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TimeSpan? first = null;
        OpenedSession? ready = await warm.TakeAsync(offer, ask.AllowOpenTier, opener.Relays(ask));
        course.IsStale = ready is not null;
        (ClientChannel channel, OpenedSession session) = await PrepareAsync(offer, ask, ready, cancellationToken);
        await using Loan loan = new(session);
        course.Channel = channel;
        ulong bound = RequestBound.Due(ask, session.Enclave.Quote);
        SpendReservation? booked = await ReserveAsync(ask, bound, cancellationToken);
        ulong granted = booked?.Granted ?? bound;
        course.IsCapped = granted < bound;
        long started = time.GetTimestamp();
        try
        {
            SessionRun run = new(session, channel, Begin(channel, session, ask), ask with { MaxDueNanoton = granted }, receipts, time);
            course.Run = run;
            course.PromptPrice = session.Enclave.Quote.Prices.Prompt;
            await foreach (AnswerPart part in run.RunAsync(cancellationToken))
            {
                switch (part)
                {
                    case AnswerPart.Opened:
                        course.IsStale = false;
                        break;
                    case AnswerPart.Begun begun:
                        (course.PromptTokens, course.CachedTokens) = (begun.PromptTokens, begun.CachedTokens);
                        break;
                    case AnswerPart.Text when first is null:
                        first = time.GetElapsedTime(started);
                        ProviderHistory history = book.History(offer.Peer);
                        history.RecordDelivery();
                        double held = prefixes.Remember(ask.TenantSecret, course.Prompt, offer, course.PromptTokens, course.CachedTokens);
                        history.RecordCache(held * course.PromptTokens, course.CachedTokens);
                        break;
                    case AnswerPart.Ended ended when first is { } firstText:
                        double seconds = (time.GetElapsedTime(started) - firstText).TotalSeconds;
                        uint tokens = ended.Finished.Usage?.CompletionTokens ?? 0;
                        book.History(offer.Peer).RecordAnswer(firstText, tokens > 8 && seconds > 0.01 ? (tokens - 1) / seconds : null);
                        break;
                }

                yield return part;
            }
        }
        finally
        {
            // What may still be owed to a lost provider stays booked.
            ulong spent = Math.Min(granted, course.Run?.Exposure ?? 0);
            await (booked is { } reservation ? ask.Budget!.ReleaseAsync(reservation, granted - spent) : Task.CompletedTask);
        }

        if (await warm.ReturnAsync(loan.Release(), ask.AllowOpenTier, opener.Relays(ask)))
        {
            warm.Prepare(offer, ask.AllowOpenTier, opener.Relays(ask), fresh => opener.ReopenAsync(offer, ask, fresh));
        }
    }

    /// <summary>Books what this request may cost at most on its application's key; <c>null</c> where there is none.</summary>
    private static async Task<SpendReservation?> ReserveAsync(Ask ask, ulong bound, CancellationToken cancellationToken)
    {
        if (ask.Budget is null || bound == 0)
        {
            return null;
        }

        SpendReservation booked = await ask.Budget.ReserveAsync(bound, cancellationToken);
        return booked.Granted > 0 ? booked : throw SpendLimitReached();
    }

    private static InferenceException SpendLimitReached(Exception? inner = null) => new(
        InferenceFailure.SpendLimit, "the spend limit of this API key is reached",
        inner is null ? "nothing is left of what it may spend" : "what is left of what it may spend is less than this prompt costs",
        "See 'cocoon keys'; raise the limit with a new key, or wait for the next day (UTC).", inner);

    /// <summary>A channel and a session with an unexpired quote. No money moves towards an enclave that was not appraised first.</summary>
    private async Task<(ClientChannel Channel, OpenedSession Session)> PrepareAsync(
        VerifiedOffer offer, Ask ask, OpenedSession? ready, CancellationToken cancellationToken)
    {
        OpenedSession session = ready ?? await opener.OpenAsync(offer, ask, cancellationToken);
        try
        {
            ClientChannel channel = await GetChannelAsync(offer, ask, cancellationToken);
            if (session.UsableUntil <= time.GetUtcNow() + WarmSessions.Margin)
            {
                // Opening a channel can outlast a quote.
                await session.DisposeAsync();
                session = await opener.ReopenAsync(offer, ask, cancellationToken);
            }

            return (channel, session);
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    private void Record(VerifiedOffer offer, InferenceException exception)
    {
        if (exception.SpeaksAgainstProvider)
        {
            book.History(offer.Peer).RecordFailure(exception.Failure.ToString());
        }
    }

    private async Task<ClientChannel> GetChannelAsync(VerifiedOffer offer, Ask ask, CancellationToken cancellationToken)
    {
        uint most = ask.MaxTokens ?? RequestBound.DefaultMaxTokens;
        ulong step = QuoteIssuer.Step(offer.Offer.Prices);
        ulong need = Math.Max(step, Metering.Due(offer.Offer.Prices, new TokenCounts((uint)ask.Body.Length / 3, 0, most)));
        try
        {
            // How long the prompt is in tokens only the enclave knows, so it counts as none.
            channels.RequireWithinLimit(Math.Min(step, Metering.Due(offer.Offer.Prices, new TokenCounts(0, 0, most))));
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
            return channel.BeginSession(SessionId.From(session.Enclave.SessionId), limit: null, ask.Spender, session.Enclave.Quote.StepNanoton);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }
    }

    private async Task<VerifiedOffer> ChooseAsync(
        Ask ask, PromptPrefix prompt, List<VerifiedOffer> failed, bool isFresh, InferenceException? last, CancellationToken cancellationToken)
    {
        TimeSpan wait = DiscoveryWait();
        IReadOnlyList<VerifiedOffer> offers = await finder.FindAsync(ask.Model, wait, cancellationToken);
        if (offers.Count == 0)
        {
            throw last ?? NoOffer(ask.Model, wait);
        }

        uint promptTokens = (uint)Math.Min(int.MaxValue, ask.Body.Length / 4);
        RouteRequest route = new(promptTokens, ask.MaxTokens ?? 256, ask.AllowOpenTier, ask.Provider, terms.ChannelCodeHashes, terms.GlobalId)
        {
            Tiers = ask.Tiers,
            Failed = failed,
            Connected = host.Connections.Select(connection => connection.Peer).ToHashSet(),
            Continues = isFresh ? null : failed[0],
            Warm = prefixes.Find(ask.TenantSecret, prompt, offers),
        };
        IReadOnlyList<RankedOffer> ranked = OfferRanking.Rank(offers, route, book);
        return ranked[0].Rejection is null ? ranked[0].Offer : throw last ?? AllRejected(ask, ranked);
    }

    /// <summary>
    /// A client that has just joined may not have heard of a model yet; one that has been listening for a while has, and says so at once.
    /// </summary>
    private TimeSpan DiscoveryWait()
    {
        if (book.All().Count == 0)
        {
            return options.Value.DiscoveryWait;
        }

        TimeSpan left = options.Value.UnknownModelWait - (time.GetUtcNow() - _started);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private InferenceException NoOffer(string model, TimeSpan waited)
    {
        bool anyModel = book.All().Count > 0;
        return new InferenceException(
            anyModel ? InferenceFailure.ModelNotFound : InferenceFailure.NoOffer,
            $"no provider offers '{model}'",
            waited > TimeSpan.Zero
                ? $"nothing was heard within {waited.TotalSeconds:0} s from {host.Connections.Count} connected peers"
                : $"none of the {host.Connections.Count} connected peers has told of one",
            anyModel ? "See 'cocoon offers' or GET /v1/models for what is on offer." : "Check 'cocoon peers'; a bootstrap address may be wrong or down.");
    }

    private static InferenceException AllRejected(Ask ask, IReadOnlyList<RankedOffer> ranked)
    {
        string words = string.Join(", ", ranked.GroupBy(r => r.Rejection!).Select(g => $"{g.Key} ({g.Count()})"));
        if (ranked.All(r => r.Rejection == "context"))
        {
            return new InferenceException(
                InferenceFailure.InvalidRequest, "the prompt is too long", $"about {ask.Body.Length / 4} tokens, and the longest context on offer has {ranked.Max(r => r.Offer.Offer.ContextTokens)}",
                "Make it shorter, or use a model with a longer context (GET /v1/models).")
            {
                Code = "context_length_exceeded",
            };
        }

        if (ranked.All(r => r.Rejection == "provider"))
        {
            return new InferenceException(
                InferenceFailure.NoOffer, $"provider {ask.Provider} does not offer '{ask.Model}'", $"{ranked.Count} other offers of it are known", "See 'cocoon offers', or leave cocoon.provider out.");
        }

        bool tier = ranked.Any(r => r.Rejection == "tier");
        return new InferenceException(
            tier ? InferenceFailure.TierRefused : InferenceFailure.NoOffer,
            $"every offer of '{ask.Model}' was rejected",
            words,
            tier
                ? "Only tier 'open' is on offer, where nothing protects your prompt from the machine's owner. Allow it with --allow-open, or per request with \"cocoon\": {\"allow_open\": true}."
                : "See 'cocoon offers --explain'.");
    }

    /// <summary>A session in use, which is closed unless it was released.</summary>
    private sealed class Loan(OpenedSession session) : IAsyncDisposable
    {
        private bool _isReleased;

        public OpenedSession Release()
        {
            _isReleased = true;
            return session;
        }

        public ValueTask DisposeAsync() => _isReleased ? ValueTask.CompletedTask : session.DisposeAsync();
    }

    /// <summary>What an attempt tells the loop around it.</summary>
    private sealed class Attempt
    {
        /// <summary>It runs on a session kept warm that has not answered yet.</summary>
        public bool IsStale { get; set; }

        public required PromptPrefix Prompt { get; init; }

        public ClientChannel? Channel { get; set; }

        public SessionRun? Run { get; set; }

        public AnswerSource? Source { get; set; }

        /// <summary>Its application's key lets it spend less than it may cost.</summary>
        public bool IsCapped { get; set; }

        public ulong PromptPrice { get; set; }

        public uint PromptTokens { get; set; }

        public uint CachedTokens { get; set; }

        public uint? CompletionTokens { get; set; }

        public string? ReceiptId { get; set; }

        public AnswerSegment Segment(DeliveredAnswer delivered, InferenceException? failure)
        {
            AnswerCost cost = Run!.Cost;
            ulong replay = delivered.Segments.Count == 0
                ? 0
                : Math.Min(cost.CostNanoton, Metering.Due(new Protocol.Payments.Proto.Prices { Prompt = PromptPrice }, new TokenCounts(PromptTokens, 0, 0)));
            return new AnswerSegment(
                Source!, PromptTokens, CompletionTokens ?? delivered.TokensOfLast, cost.CostNanoton, replay, ReceiptId, failure is { } reason ? FailureWords.Of(reason) : null);
        }

        /// <summary>The last provider's channel, and the sums over all.</summary>
        public AnswerCost Cost(IReadOnlyList<AnswerSegment> segments) => Run!.Cost with
        {
            CostNanoton = segments.Aggregate(0UL, (sum, s) => sum + s.CostNanoton),
        };
    }

    private static partial class Log
    {
        [LoggerMessage(2002, LogLevel.Information, "A provider failed {When} ({Failure}); asking the next")]
        public static partial void TryingAnother(ILogger logger, InferenceFailure failure, string when);
    }
}
