using System.Security.Cryptography;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Enclaves;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Node.Serving;

/// <summary>
/// One request from the host's side: checks and counts its money, relays sealed bytes from enclave to client, and lets the enclave run as
/// far as it is paid.
/// </summary>
/// <param name="number">Within its session, from 0.</param>
internal sealed partial class ProviderRequest(ProviderSessionContext session, uint number)
{
    private const int ChannelIdSize = 32;

    /// <summary>Sealed frames that leave as one write.</summary>
    private const int MaxTogether = 32;

    private static readonly TimeSpan DrainWait = TimeSpan.FromSeconds(30);

    private readonly IEnclaveSession _enclave = session.Enclave;
    private readonly byte[] _requestId = SessionTranscript.RequestId(session.Enclave.SessionId.Span, number);
    private SessionId _id;
    private ProviderChannel? _channel;
    private byte[]? _voucherDigest;
    private ulong _granted;
    private ulong _covered;

    /// <summary>In fast shape it leaves with the enclave's first word, which comes at once even when a slot does not.</summary>
    private ProviderMessage? _accepted;

    /// <summary>It ended with its settlement, whatever came before.</summary>
    public bool IsSettled { get; private set; }

    /// <summary>More was served on its channel than is vouched for.</summary>
    public bool IsAtRisk => _channel?.Exposure.AtRisk > 0;

    /// <summary>Completes when what it cost is on the disk.</summary>
    public Task Booked { get; private set; } = Task.CompletedTask;

    /// <summary>Checks the request, sets one step of its channel aside and starts the enclave on it; tells the client either way.</summary>
    /// <returns><c>false</c> when it was declined.</returns>
    public async Task<bool> TryBeginAsync(Request request, CancellationToken cancellationToken)
    {
        _id = SessionId.From(_requestId);
        if (!TryParseHeader(request.Header, out RoutingHeader header))
        {
            return await DeclineAsync(DeclineReason.DeclineMalformed, "the routing header is malformed", cancellationToken);
        }

        if (CheckHeader(header) is var (reason, detail) && reason != DeclineReason.DeclineUnspecified)
        {
            return await DeclineAsync(reason, detail, cancellationToken);
        }

        ChannelAcceptance acceptance = await session.Ledger.VerifyAsync(new CellHash(header.Channel.Span), cancellationToken);
        if (acceptance is ChannelAcceptance.Refused unfit)
        {
            return await DeclineAsync(unfit.Reason, unfit.Detail, cancellationToken);
        }

        ProviderChannel channel = ((ChannelAcceptance.Accepted)acceptance).Channel;
        if (!session.Payer.IsProven(channel, request))
        {
            // Nor is such a sender told anything of the channel.
            return await DeclineAsync(DeclineReason.DeclineChannel, "the request is not signed by the channel's pay key", cancellationToken);
        }

        if (request.Voucher is not { } voucher)
        {
            return await DeclineAsync(DeclineReason.DeclineVoucher, "a request comes with a voucher", cancellationToken, channel.HighestTotal);
        }

        if (await session.Ledger.AcceptVoucherAsync(channel, voucher, cancellationToken) is VoucherOutcome.Refused refused)
        {
            return await DeclineAsync(refused.Reason, refused.Detail, cancellationToken, channel.HighestTotal);
        }

        ulong named = voucher.ReadAllocations().FirstOrDefault(allocation => allocation.Session == _id).NanoTon;
        ReservationOutcome reservation = await session.Ledger.TryReserveSessionAsync(channel, _id, session.Quote.StepNanoton, named, cancellationToken);
        if (reservation is ReservationOutcome.Declined declined)
        {
            return await DeclineAsync(declined.Reason, declined.Detail, cancellationToken, declined.HighestTotal, declined.CarriedDue);
        }

        ReservationOutcome.Reserved reserved = (ReservationOutcome.Reserved)reservation;
        CrashPoint.Reach(CrashPoint.ProviderReserved);

        try
        {
            _accepted = new ProviderMessage { Accepted = new Accepted { HighestTotal = reserved.HighestTotal, CarriedDue = reserved.CarriedDue } };
            if (header.Shape != Shape.Fast)
            {
                await session.Client.SendAsync(_accepted, cancellationToken);
                _accepted = null;
                CrashPoint.Reach(CrashPoint.ProviderAccepted);
            }

            _granted = _covered = channel.GrantFor(_id);
            _voucherDigest = SHA256.HashData(voucher.Statement.Span);
            await _enclave.StartAsync(request.Header.Memory, request.Sealed.Memory, _granted, _voucherDigest, cancellationToken);
            _channel = channel;
            return true;
        }
        catch
        {
            await channel.EndSessionAsync(_id, 0, CancellationToken.None);
            throw;
        }
    }

    /// <summary>Relays the answer up to its end, and books what it cost.</summary>
    /// <returns>The due; <c>null</c> when the enclave was lost with it.</returns>
    public async Task<ulong?> RunAsync(CancellationToken cancellationToken)
    {
        ulong? due = null;
        try
        {
            due = await PumpEnclaveAsync(_channel!, cancellationToken);
            return due;
        }
        finally
        {
            if (!IsSettled)
            {
                // It is what the channel owes, even when the client or this node is leaving.
                await _channel!.EndSessionAsync(_id, due, CancellationToken.None);
            }
        }
    }

    /// <summary>Takes in a voucher that came while the request runs, or just after.</summary>
    /// <returns>What is wrong with it, or <c>null</c>.</returns>
    public async Task<VoucherFault?> AcceptVoucherAsync(VoucherMessage voucher, CancellationToken cancellationToken)
    {
        ProviderChannel channel = _channel!;
        if (await session.Ledger.AcceptVoucherAsync(channel, voucher, cancellationToken) is VoucherOutcome.Refused refused)
        {
            return refused.Fault;
        }

        _voucherDigest = SHA256.HashData(voucher.Statement.Span);
        _covered = channel.GrantFor(_id);
        await _enclave.ReportVoucherAsync(_voucherDigest, _covered, cancellationToken);
        await AllowAsync(channel, cancellationToken);
        await session.Client.SendAsync(new ProviderMessage { VoucherAck = new VoucherAck { HighestTotal = channel.HighestTotal } }, cancellationToken);
        return null;
    }

    private (DeclineReason Reason, string Detail) CheckHeader(RoutingHeader header)
    {
        ulong now = (ulong)session.Time.GetUtcNow().ToUnixTimeMilliseconds();
        if (!header.SessionId.Span.SequenceEqual(_requestId) || header.Channel.Length != ChannelIdSize)
        {
            return (DeclineReason.DeclineMalformed, "session or channel id does not fit");
        }

        if (!header.QuoteDigest.Span.SequenceEqual(session.QuoteDigest))
        {
            return (DeclineReason.DeclineQuote, "the request names another quote");
        }

        if (now > session.Quote.NotAfterMs)
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

    private async Task<ulong?> PumpEnclaveAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        List<IMessage> waiting = _accepted is null ? [] : [_accepted];
        bool clientListens = true, isHeard = false;
        using CancellationTokenSource draining = new();
        using CancellationTokenRegistration stop = cancellationToken.Register(() => draining.CancelAfter(DrainWait));
        await using IAsyncEnumerator<EnclaveEvent> events = _enclave.ReadEventsAsync(draining.Token).GetAsyncEnumerator(CancellationToken.None);
        while (true)
        {
            ValueTask<bool> next = events.MoveNextAsync();
            if ((isHeard && !next.IsCompleted) || waiting.Count >= MaxTogether)
            {
                // What the enclave said at once leaves at once, and nothing waits for what it says later.
                clientListens = await TrySendAsync(waiting, clientListens);
                if (_accepted is not null)
                {
                    _accepted = null;
                    CrashPoint.Reach(CrashPoint.ProviderAccepted);
                }
            }

            if (!await next)
            {
                return null;
            }

            isHeard = true;

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
                    IsSettled = true;
                    session.Metrics.SessionEnded(ended.Outcome, ended.DueNanoton);

                    // The client need not wait for our book, nor does its next request: it has its own.
                    Booked = BookAsync(channel, ended.DueNanoton);
                    waiting.Add(new ProviderMessage { Settlement = ended.Settlement });
                    await TrySendAsync(waiting, clientListens);
                    return ended.DueNanoton;
                case EnclaveEvent.Refused refused:
                    session.Metrics.SessionDeclined(DeclineReason.DeclineEnclave);
                    Withdraw(waiting);
                    waiting.Add(ClientLine.Declined(DeclineReason.DeclineEnclave, refused.Reason, 0));
                    await TrySendAsync(waiting, clientListens);
                    return 0;
                case EnclaveEvent.Lost lost:
                    Log.EnclaveLost(session.Logger, lost.Reason);
                    session.Metrics.SessionEnded("lost", 0);

                    // What is owed is booked as last metered: the client gets what it owes for, and is told why there is no more: a stream
                    // that only ended would be an answer cut short.
                    Withdraw(waiting);
                    waiting.Add(ClientLine.Declined(DeclineReason.DeclineLost, "the enclave ended", 0));
                    await TrySendAsync(waiting, clientListens);
                    return null;
            }
        }
    }

    /// <summary>An acceptance that has not left is none: the client may ask again in another session.</summary>
    private void Withdraw(List<IMessage> waiting)
    {
        if (_accepted is not null && waiting.Count == 1)
        {
            waiting.Clear();
        }
    }

    private async Task BookAsync(ProviderChannel channel, ulong due)
    {
        await channel.EndSessionAsync(_id, due, CancellationToken.None);
        CrashPoint.Reach(CrashPoint.ProviderDueStored);
    }

    private async ValueTask MeterAsync(ProviderChannel channel, EnclaveEvent.Metered metered)
    {
        channel.ReportDue(_id, metered.DueNanoton, metered.IsFinal);
        CrashPoint.Reach(CrashPoint.ProviderAnswering);
        if (metered.IsFinal)
        {
            // What is vouched may have grown on other sessions' vouchers since this one's was reported, and then no other need come.
            ulong covers = channel.GrantFor(_id);
            if (_voucherDigest is { } digest && covers > _covered)
            {
                await _enclave.ReportVoucherAsync(digest, covers, CancellationToken.None);
            }
        }
        else
        {
            await AllowAsync(channel, CancellationToken.None);
        }
    }

    private async ValueTask AllowAsync(ProviderChannel channel, CancellationToken cancellationToken)
    {
        ulong grant = channel.GrantFor(_id);
        if (grant > Interlocked.Exchange(ref _granted, Math.Max(grant, Volatile.Read(ref _granted))))
        {
            await _enclave.AllowAsync(grant, cancellationToken);
        }
    }

    private async ValueTask<bool> TrySendAsync(List<IMessage> messages, bool listens)
    {
        if (!listens)
        {
            messages.Clear();
            return false;
        }

        bool isSent = await session.Client.TrySendAsync(messages);
        if (!isSent)
        {
            // It must not hold a slot.
            await _enclave.CancelAsync(CancellationToken.None);
        }

        return isSent;
    }

    private async Task<bool> DeclineAsync(
        DeclineReason reason, string detail, CancellationToken cancellationToken, ulong highestTotal = 0, ulong carriedDue = 0)
    {
        await session.Client.DeclineAsync(reason, detail, cancellationToken, highestTotal, carriedDue);
        return false;
    }

    private static partial class Log
    {
        [LoggerMessage(2321, LogLevel.Warning, "The enclave lost a session: {Reason}")]
        public static partial void EnclaveLost(ILogger logger, string reason);
    }
}
