using System.Security.Cryptography;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Payments;
using Cocoon.Node.Sessions;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Node.Serving;

/// <summary>
/// One inference session from the host's side: relays sealed bytes between client and enclave and lets the enclave run as far as it is paid.
/// </summary>
/// <remarks>Two loops share it: one reads the client, one reads the enclave. It sees sizes, times and amounts, never plaintext.</remarks>
internal sealed partial class ProviderSession(
    SessionLink link, IEnclaveSession enclave, ProviderLedger ledger, SignedQuote quote, ServingMetrics metrics, TimeProvider time, ILogger logger)
{
    private const int ChannelIdSize = 32;

    /// <summary>Sealed frames that leave as one write.</summary>
    private const int MaxTogether = 32;

    private static readonly TimeSpan RequestWait = TimeSpan.FromSeconds(75);
    private static readonly TimeSpan DrainWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SendWait = TimeSpan.FromSeconds(30);

    /// <summary>Several round trips of a slow connection.</summary>
    private static readonly TimeSpan LateVoucherWait = TimeSpan.FromSeconds(3);

    private readonly Quote _quote = Quote.Parser.ParseFrom(quote.Quote);
    private readonly SessionId _id = SessionId.From(enclave.SessionId.Span);
    private readonly SessionPayer _payer = new(enclave.SessionId);
    private byte[]? _voucherDigest;
    private ulong _granted;
    private ulong _covered;
    private bool _isOver;

    /// <param name="draining">Ends a session that has no request yet: a client keeps one open in case it asks again.</param>
    /// <returns>Whether something was served that the channel owes or has paid.</returns>
    public async Task<bool> RunAsync(CancellationToken draining, CancellationToken cancellationToken)
    {
        await link.WriteAsync(new ProviderMessage { Welcome = enclave.Welcome }, cancellationToken);
        Request? request = await ReadRequestAsync(draining, cancellationToken);
        if (request is null || await BeginAsync(request, cancellationToken) is not { } channel)
        {
            return false;
        }

        using CancellationTokenSource clientGone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task reading = ReadClientAsync(channel, clientGone.Token);
        ulong? due = null;
        try
        {
            due = await PumpEnclaveAsync(channel, cancellationToken);
            return due > 0;
        }
        finally
        {
            // The exact due is booked even when the client or this node is leaving: it is what the channel owes.
            await channel.EndSessionAsync(_id, due, CancellationToken.None);
            if (due is not null)
            {
                await HearOutAsync(channel, reading, cancellationToken);
            }

            await clientGone.CancelAsync();
            await reading;
        }
    }

    /// <summary>
    /// An answer served on credit can end before the voucher that covers it is here: it is on its way, and its client closes the stream behind it.
    /// </summary>
    private async Task HearOutAsync(ProviderChannel channel, Task reading, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isOver, true);
        if (channel.Exposure.AtRisk == 0 || reading.IsCompleted)
        {
            return;
        }

        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(reading, Task.Delay(LateVoucherWait, time, done.Token));
        await done.CancelAsync();
    }

    private async Task<Request?> ReadRequestAsync(CancellationToken draining, CancellationToken cancellationToken)
    {
        using CancellationTokenSource timeout = new(RequestWait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, draining, timeout.Token);
        try
        {
            (ClientMessage Message, byte[] Bytes)? read = await link.ReadClientMessageAsync(SessionLink.MaxMessage, linked.Token);
            return read?.Message.BodyCase switch
            {
                ClientMessage.BodyOneofCase.Request => read.Value.Message.Request,
                ClientMessage.BodyOneofCase.Cancel or null => null,
                _ => await DeclineAsync(DeclineReason.DeclineMalformed, "a request was expected", 0, cancellationToken),
            };
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Clients open sessions ahead and may not need them: no decline that anybody should count.
            await link.WriteAsync(Declined(DeclineReason.DeclineExpired, "no request came before the quote ran out", 0), cancellationToken);
            return null;
        }
    }

    /// <returns>The channel with one step set aside for this session, or <c>null</c> when it was declined.</returns>
    private async Task<ProviderChannel?> BeginAsync(Request request, CancellationToken cancellationToken)
    {
        if (!TryParseHeader(request.Header, out RoutingHeader header))
        {
            await DeclineAsync(DeclineReason.DeclineMalformed, "the routing header is malformed", 0, cancellationToken);
            return null;
        }

        if (CheckHeader(header) is var (reason, detail) && reason != DeclineReason.DeclineUnspecified)
        {
            await DeclineAsync(reason, detail, 0, cancellationToken);
            return null;
        }

        ChannelAcceptance acceptance = await ledger.VerifyAsync(new CellHash(header.Channel.Span), cancellationToken);
        if (acceptance is ChannelAcceptance.Refused unfit)
        {
            await DeclineAsync(unfit.Reason, unfit.Detail, 0, cancellationToken);
            return null;
        }

        ProviderChannel channel = ((ChannelAcceptance.Accepted)acceptance).Channel;
        if (!_payer.IsProven(channel, request))
        {
            // Nor is such a sender told anything of the channel.
            await DeclineAsync(DeclineReason.DeclineChannel, "the request is not signed by the channel's pay key", 0, cancellationToken);
            return null;
        }

        if (request.Voucher is not { } voucher)
        {
            await DeclineAsync(DeclineReason.DeclineVoucher, "a request comes with a voucher", channel.HighestTotal, cancellationToken);
            return null;
        }

        if (await ledger.AcceptVoucherAsync(channel, voucher, cancellationToken) is VoucherOutcome.Refused refused)
        {
            await DeclineAsync(refused.Reason, refused.Detail, channel.HighestTotal, cancellationToken);
            return null;
        }

        ulong named = voucher.ReadAllocations().FirstOrDefault(allocation => allocation.Session == _id).NanoTon;
        ReservationOutcome reservation = await ledger.TryReserveSessionAsync(channel, _id, _quote.StepNanoton, named, cancellationToken);
        if (reservation is ReservationOutcome.Declined declined)
        {
            await DeclineAsync(declined.Reason, declined.Detail, declined.HighestTotal, cancellationToken, declined.CarriedDue);
            return null;
        }

        ReservationOutcome.Reserved reserved = (ReservationOutcome.Reserved)reservation;
        CrashPoint.Reach(CrashPoint.ProviderReserved);

        try
        {
            await link.WriteAsync(
                new ProviderMessage { Accepted = new Accepted { HighestTotal = reserved.HighestTotal, CarriedDue = reserved.CarriedDue } }, cancellationToken);
            CrashPoint.Reach(CrashPoint.ProviderAccepted);
            ulong grant = _granted = _covered = channel.GrantFor(_id);
            _voucherDigest = SHA256.HashData(voucher.Statement.Span);
            await enclave.ReportVoucherAsync(_voucherDigest, grant, cancellationToken);
            await enclave.StartAsync(request.Header.Memory, request.Sealed.Memory, grant, cancellationToken);
            return channel;
        }
        catch
        {
            await channel.EndSessionAsync(_id, 0, CancellationToken.None);
            throw;
        }
    }

    private (DeclineReason Reason, string Detail) CheckHeader(RoutingHeader header)
    {
        ulong now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        if (!header.SessionId.Span.SequenceEqual(enclave.SessionId.Span) || header.Channel.Length != ChannelIdSize)
        {
            return (DeclineReason.DeclineMalformed, "session or channel id does not fit");
        }

        if (!header.QuoteDigest.Span.SequenceEqual(SHA256.HashData(quote.Quote.Span)))
        {
            return (DeclineReason.DeclineQuote, "the request names another quote");
        }

        if (now > _quote.NotAfterMs)
        {
            return (DeclineReason.DeclineQuote, "the quote has run out");
        }

        return now > header.ExpiresAtMs ? (DeclineReason.DeclineExpired, "the request has expired") : (DeclineReason.DeclineUnspecified, "");
    }

    private static bool TryParseHeader(ByteString bytes, out RoutingHeader header)
    {
        try
        {
            header = RoutingHeader.Parser.ParseBounded(bytes.Span);
            return true;
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            header = new RoutingHeader();
            return false;
        }
    }

    /// <summary>Vouchers and cancels until the client leaves; leaving cancels the slot.</summary>
    private async Task ReadClientAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            while (await link.ReadClientMessageAsync(SessionLink.MaxMessage, cancellationToken) is var (message, _))
            {
                switch (message.BodyCase)
                {
                    case ClientMessage.BodyOneofCase.Voucher:
                        if (await ledger.AcceptVoucherAsync(channel, message.Voucher, cancellationToken) is VoucherOutcome.Refused refused)
                        {
                            Log.VoucherRefused(logger, refused.Fault);
                            await enclave.CancelAsync(cancellationToken);
                            return;
                        }

                        if (Volatile.Read(ref _isOver))
                        {
                            break;
                        }

                        _voucherDigest = SHA256.HashData(message.Voucher.Statement.Span);
                        _covered = channel.GrantFor(_id);
                        await enclave.ReportVoucherAsync(_voucherDigest, _covered, cancellationToken);
                        await AllowAsync(channel, cancellationToken);
                        await link.WriteAsync(new ProviderMessage { VoucherAck = new VoucherAck { HighestTotal = channel.HighestTotal } }, cancellationToken);
                        break;
                    case ClientMessage.BodyOneofCase.Cancel:
                        await enclave.CancelAsync(cancellationToken);
                        break;
                    default:
                        throw new Libp2pException(Libp2pErrorCode.Malformed, "Only vouchers and cancels may follow a request.");
                }
            }

            // A half-closed client still reads its answer; only a reset ends the work.
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The session ended first.
        }
        catch (Exception exception) when (exception is IOException or Libp2pException)
        {
            Log.ClientGone(logger);
            await enclave.CancelAsync(CancellationToken.None);
        }
    }

    private async Task<ulong?> PumpEnclaveAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        List<IMessage> waiting = [];
        bool clientListens = true;
        using CancellationTokenSource draining = new();
        using CancellationTokenRegistration stop = cancellationToken.Register(() => draining.CancelAfter(DrainWait));
        await using IAsyncEnumerator<EnclaveEvent> events = enclave.ReadEventsAsync(draining.Token).GetAsyncEnumerator(CancellationToken.None);
        while (true)
        {
            ValueTask<bool> next = events.MoveNextAsync();
            if (!next.IsCompleted || waiting.Count >= MaxTogether)
            {
                // What the enclave said at once leaves at once, and nothing waits for what it says later.
                clientListens = await TrySendAsync(waiting, clientListens, cancellationToken);
            }

            if (!await next)
            {
                return null;
            }

            switch (events.Current)
            {
                case EnclaveEvent.Output output:
                    waiting.Add(new ProviderMessage { Sealed = new SealedFrame { Data = UnsafeByteOperations.UnsafeWrap(output.Sealed) } });
                    break;
                case EnclaveEvent.Metered metered:
                    await MeterAsync(channel, metered);
                    break;
                case EnclaveEvent.Ended ended:
                    CrashPoint.Reach(CrashPoint.ProviderAnswered);
                    metrics.SessionEnded(ended.Outcome, ended.DueNanoton);
                    Task booked = channel.EndSessionAsync(_id, ended.DueNanoton, CancellationToken.None);
                    try
                    {
                        // The client need not wait for our book: it has its own.
                        waiting.Add(new ProviderMessage { Settlement = ended.Settlement });
                        await TrySendAsync(waiting, clientListens, cancellationToken);
                    }
                    finally
                    {
                        await booked;
                    }

                    CrashPoint.Reach(CrashPoint.ProviderDueStored);
                    return ended.DueNanoton;
                case EnclaveEvent.Refused refused:
                    metrics.SessionDeclined(DeclineReason.DeclineEnclave);
                    waiting.Add(Declined(DeclineReason.DeclineEnclave, refused.Reason, 0));
                    await TrySendAsync(waiting, clientListens, cancellationToken);
                    return 0;
                case EnclaveEvent.Lost lost:
                    Log.EnclaveLost(logger, lost.Reason);
                    metrics.SessionEnded("lost", 0);

                    // What is owed is booked as last metered: the client gets what it owes for, and is told why there is no more: a stream
                    // that only ended would be an answer cut short.
                    waiting.Add(Declined(DeclineReason.DeclineLost, "the enclave ended", 0));
                    await TrySendAsync(waiting, clientListens, cancellationToken);
                    return null;
            }
        }
    }

    private async Task MeterAsync(ProviderChannel channel, EnclaveEvent.Metered metered)
    {
        channel.ReportDue(_id, metered.DueNanoton, metered.IsFinal);
        CrashPoint.Reach(CrashPoint.ProviderAnswering);
        if (metered.IsFinal)
        {
            // What is vouched may have grown on other sessions' vouchers since this one's was reported, and then no other need come.
            ulong covers = channel.GrantFor(_id);
            if (_voucherDigest is { } digest && covers > _covered)
            {
                await enclave.ReportVoucherAsync(digest, covers, CancellationToken.None);
            }
        }
        else
        {
            await AllowAsync(channel, CancellationToken.None);
        }
    }

    private async Task AllowAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        ulong grant = channel.GrantFor(_id);
        if (grant > Interlocked.Exchange(ref _granted, Math.Max(grant, Volatile.Read(ref _granted))))
        {
            await enclave.AllowAsync(grant, cancellationToken);
        }
    }

    /// <returns>Whether the client still listens.</returns>
    private async Task<bool> TrySendAsync(List<IMessage> messages, bool listens, CancellationToken cancellationToken)
    {
        if (messages.Count == 0 || !listens)
        {
            messages.Clear();
            return listens;
        }

        using CancellationTokenSource timeout = new(SendWait, time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            await link.WriteAsync(messages, linked.Token);
            messages.Clear();
            return true;
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // Also one that keeps its stream and does not read: it must not hold a slot.
            link.Stream.Reset();
            await enclave.CancelAsync(CancellationToken.None);
            return false;
        }
    }

    private async Task<Request?> DeclineAsync(
        DeclineReason reason, string detail, ulong highestTotal, CancellationToken cancellationToken, ulong carriedDue = 0)
    {
        metrics.SessionDeclined(reason);
        await link.WriteAsync(Declined(reason, detail, highestTotal, carriedDue: carriedDue), cancellationToken);
        return null;
    }

    internal static ProviderMessage Declined(DeclineReason reason, string detail, ulong highestTotal, uint retryAfterMs = 0, ulong carriedDue = 0) => new()
    {
        Declined = new Declined { Reason = reason, Detail = detail, HighestTotal = highestTotal, RetryAfterMs = retryAfterMs, CarriedDue = carriedDue },
    };

    private static partial class Log
    {
        [LoggerMessage(3101, LogLevel.Debug, "A client left its session before the end")]
        public static partial void ClientGone(ILogger logger);

        [LoggerMessage(3102, LogLevel.Debug, "A voucher was refused: {Reason}")]
        public static partial void VoucherRefused(ILogger logger, VoucherFault reason);

        [LoggerMessage(3103, LogLevel.Warning, "The enclave lost a session: {Reason}")]
        public static partial void EnclaveLost(ILogger logger, string reason);
    }
}
