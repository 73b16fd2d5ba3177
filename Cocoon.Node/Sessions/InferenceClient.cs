using System.Runtime.CompilerServices;
using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.Routing;
using Cocoon.Node.Serving;
using Cocoon.Protocol.Offers;
using Cocoon.Protocol.Sessions;
using Microsoft.Extensions.Options;

namespace Cocoon.Node.Sessions;

/// <summary>Chooses a provider, opens a session, pays and streams; before the first token a failed provider is replaced by the next.</summary>
internal sealed partial class InferenceClient(
    ProviderChoice choice,
    SessionOpener opener,
    OfferBook book,
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

    /// <summary>Providers passed over in one request because no channel to them may be opened.</summary>
    private const int MaxUnpaid = 8;

    private readonly DateTimeOffset _started = time.GetUtcNow();

    public IReadOnlyList<AvailableModel> Models => AvailableModel.From(book.All(), _started);

    public async IAsyncEnumerable<AnswerPart> AskAsync(Ask ask, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<VerifiedOffer> failed = [];
        DeliveredAnswer delivered = new(ask);
        PromptPrefix prompt = PromptPrefix.Of(ask.Endpoint, ask.Body.Span);
        Ask current = ask;
        VerifiedOffer? teller = null;
        InferenceException? last = null;
        int unpaid = 0;
        bool wasStale = false, wasClosing = false, wasBehind = false;
        for (int attempt = 0; attempt < options.Value.MaxAttempts; attempt++)
        {
            VerifiedOffer offer = await choice.ChooseAsync(current, prompt, failed, delivered.IsEmpty ? null : teller, last, cancellationToken);
            RequestAttempt course = new(prompt);
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
                    exception is { TryAnother: true, InnerException: PaymentException } && course.Run is null && unpaid < MaxUnpaid && (delivered.IsEmpty || delivered.CanGoOn))
                {
                    // It has seen nothing, because it cannot be paid: somebody else may have a channel, and an answer's first loss is what is told if nobody has.
                    unpaid++;
                    attempt--;
                    failed.Add(offer);
                    last ??= exception;
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

                if (course.Tell(parts.Current, delivered) is { } part)
                {
                    teller = part is AnswerPart.Text ? offer : teller;
                    yield return part;
                }
            }
        }

        throw last!;
    }

    private async IAsyncEnumerable<AnswerPart> AttemptAsync(
        VerifiedOffer offer, Ask ask, RequestAttempt course, [EnumeratorCancellation] CancellationToken cancellationToken)
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

    private static partial class Log
    {
        [LoggerMessage(2002, LogLevel.Information, "A provider failed {When} ({Failure}); asking the next")]
        public static partial void TryingAnother(ILogger logger, InferenceFailure failure, string when);
    }
}
