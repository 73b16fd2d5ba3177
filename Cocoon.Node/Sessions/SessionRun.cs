using System.Runtime.CompilerServices;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton;
using Google.Protobuf;

namespace Cocoon.Node.Sessions;

/// <summary>One paid request over an opened session: seals, vouches while tokens flow, unseals, and keeps the receipt.</summary>
internal sealed class SessionRun(OpenedSession session, ClientChannel channel, ClientSession payment, Ask ask, ReceiptStore receipts, TimeProvider time)
{
    private static readonly TimeSpan AcceptWait = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan FirstFrameWait = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan StallWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RequestLife = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan SettleWait = TimeSpan.FromSeconds(15);

    /// <summary>For a provider's word after a cancel: its engine ends a batch first.</summary>
    private static readonly TimeSpan CancelWait = TimeSpan.FromSeconds(3);

    /// <summary>For a frame that should have come before the one that did: half a second is five frames of steady shape.</summary>
    private static readonly TimeSpan LateFrameWait = TimeSpan.FromMilliseconds(500);

    private const int MaxHeardAfterFault = 256 << 10;

    /// <summary>Bytes on the way to a client that has left, before its provider's last word.</summary>
    private const int MaxHeardAfterCancel = 1 << 20;

    private readonly PaymentPacer _pacer = new(session.Enclave.Quote.StepNanoton, RequestBound.Due(ask, session.Enclave.Quote));
    private readonly string _address = new TonAddress(0, channel.Channel).ToFriendly(bounceable: true);
    private int _vouchers;
    private bool _mayOweMore;
    private VoucherMessage? _lastVoucher;
    private ByteString _payerSignature = ByteString.Empty;

    /// <summary>Runs out while the provider is waited for.</summary>
    private CancellationTokenSource? _silence;
    private CancellationToken _hearing;

    /// <summary>What was metered and vouched so far.</summary>
    public AnswerCost Cost => new(_pacer.Due, _vouchers, channel.HighestTotal, _address);

    /// <summary>The most that this run may have cost: more than what was metered while the provider's last word is missing.</summary>
    public ulong Exposure => _mayOweMore ? _pacer.Exposure : _pacer.Due;

    /// <summary>Whether any text left this run: after that the request must not silently go elsewhere.</summary>
    public bool HasDelivered { get; private set; }

    /// <exception cref="InferenceException">Declined, lost, cut short, overcharged, or refused by the engine.</exception>
    public async IAsyncEnumerable<AnswerPart> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CancellationTokenSource silence = new(Timeout.InfiniteTimeSpan, time);
        using CancellationTokenSource hearing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
        _silence = silence;
        _hearing = hearing.Token;
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task blocks = Task.CompletedTask;
        bool whole = false;
        try
        {
            SealedCall call = await PrepareAsync(cancellationToken);
            using AnswerReader reader = new(call.Response);
            await SendRequestAsync(call, cancellationToken);
            yield return new AnswerPart.Opened(session.Source(_address, ask.Shape));

            blocks = ask.Shape == Shape.Fast ? blocks : VouchEachBlockAsync(ending.Token);
            Finished? finished = null;
            SignedReceipt? receipt = null;
            SignedSettlement? settlement = null;
            bool begun = false;
            long room = RequestBound.AnswerBytes(ask, session.Enclave.Quote);
            TimeSpan waited = TimeSpan.Zero;
            while (settlement is null)
            {
                TimeSpan patience = finished is not null ? SettleWait : begun ? StallWait : FirstFrameWait;
                long asked = time.GetTimestamp();
                ProviderMessage? message = await ReadAsync(patience - waited, finished is not null, cancellationToken);

                // Acks and filler are no progress: a provider that sends nothing else is as lost as a silent one.
                waited += time.GetElapsedTime(asked);
                switch (message?.BodyCase)
                {
                    case ProviderMessage.BodyOneofCase.Sealed:
                        IReadOnlyList<AnswerEvent> events;
                        try
                        {
                            events = reader.Read(message.Sealed.Data.Span);
                        }
                        catch (SessionException fault)
                        {
                            throw SessionFailures.Spoiled(await TellApartAsync(fault, reader), AtRisk());
                        }

                        foreach (AnswerEvent happened in events)
                        {
                            waited = TimeSpan.Zero;
                            room -= happened.CalculateSize();
                            if (room < 0)
                            {
                                throw SessionFailures.Lost(session.Offer, "it sends more than the answer can have", atRisk: AtRisk());
                            }

                            switch (happened.BodyCase)
                            {
                                case AnswerEvent.BodyOneofCase.Started:
                                    begun = true;
                                    CheckPrompt(happened.Started);
                                    yield return new AnswerPart.Begun(happened.Started.PromptTokens, happened.Started.CachedTokens);
                                    break;
                                case AnswerEvent.BodyOneofCase.Delta:
                                    await ObserveAsync(happened.Delta.DueNanoton, cancellationToken);
                                    CrashPoint.Reach(CrashPoint.ClientAnswering);
                                    HasDelivered = true;
                                    yield return new AnswerPart.Text(happened.Delta);
                                    break;
                                case AnswerEvent.BodyOneofCase.Embedding:
                                    HasDelivered = true;
                                    yield return new AnswerPart.Vector(happened.Embedding);
                                    break;
                                case AnswerEvent.BodyOneofCase.Failed:
                                    // The enclave's last word: it serves nothing more, so nothing more can be owed.
                                    _mayOweMore = false;
                                    await ObserveAsync(happened.Failed.DueNanoton, cancellationToken);
                                    throw SessionFailures.FromEngine(happened.Failed);
                                case AnswerEvent.BodyOneofCase.Finished:
                                    CrashPoint.Reach(CrashPoint.ClientAnswered);
                                    finished = happened.Finished;
                                    whole = true;
                                    _mayOweMore = false;
                                    await FinalVoucherAsync(finished.DueNanoton, cancellationToken);
                                    CrashPoint.Reach(CrashPoint.ClientPaid);
                                    yield return new AnswerPart.Ended(finished);
                                    break;
                                case AnswerEvent.BodyOneofCase.Receipt:
                                    receipt = happened.Receipt;
                                    break;
                            }
                        }

                        break;
                    case ProviderMessage.BodyOneofCase.Settlement:
                        settlement = message.Settlement;
                        break;
                    case ProviderMessage.BodyOneofCase.VoucherAck:
                    case ProviderMessage.BodyOneofCase.Accepted:
                        break;
                    case ProviderMessage.BodyOneofCase.Declined:
                        throw SessionFailures.FromDecline(session.Offer, message.Declined, AtRisk());
                    case null when finished is not null:
                        // The answer is whole and paid; only the host's last words are missing.
                        settlement = new SignedSettlement();
                        break;
                    case null when begun:
                        ThrowIfIncomplete(reader);
                        goto default;
                    default:
                        throw SessionFailures.Lost(session.Offer, "the session ended before the answer did", atRisk: AtRisk());
                }
            }

            if (finished is null)
            {
                ThrowIfIncomplete(reader);
                throw SessionFailures.Lost(session.Offer, "the session ended before the answer did", atRisk: AtRisk());
            }

            session.IsAtRest = reader.IsComplete && !settlement.Settlement.IsEmpty;
            (string? id, string? path) = receipt is null ? (null, null) : Save(receipt, settlement);
            CrashPoint.Reach(CrashPoint.ClientReceipted);
            yield return new AnswerPart.Completed(Cost, id, path);
        }
        finally
        {
            try
            {
                await ending.CancelAsync();
                await blocks;
                if (!whole)
                {
                    await CancelAsync(isLeaving: cancellationToken.IsCancellationRequested);
                }
            }
            finally
            {
                // However it ended: a session left live would keep its share of the channel for ever.
                await (whole ? payment.EndSoonAsync(_pacer.Due) : new ValueTask(payment.EndAsync(_pacer.Due, Exposure, CancellationToken.None)));
                CrashPoint.Reach(CrashPoint.ClientEnded);
            }
        }
    }

    /// <summary>The request is sealed, and the session's payer signed for, while its voucher goes to the disk.</summary>
    private async Task<SealedCall> PrepareAsync(CancellationToken cancellationToken)
    {
        Task vouching = VouchAsync(_pacer.First(), send: false, cancellationToken);
        SealedCall? call = null;
        try
        {
            call = Seal();
            _payerSignature = session.PayerSignature(channel);
            await vouching;
            return call;
        }
        catch
        {
            call?.Response.Dispose();
            throw;
        }
        finally
        {
            await vouching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private SealedCall Seal()
    {
        Quote quote = session.Enclave.Quote;
        uint completion = RequestBound.CompletionTokens(ask, quote);
        RoutingHeader header = new()
        {
            Channel = ByteString.CopyFrom(channel.Channel.ToArray()),
            Shape = ask.Shape,
            OutputBucket = RequestBound.OutputBucket(completion),
            ExpiresAtMs = (ulong)(time.GetUtcNow() + RequestLife).ToUnixTimeMilliseconds(),
        };
        SealedRequest request = new()
        {
            Endpoint = ask.Endpoint,
            Body = UnsafeByteOperations.UnsafeWrap(ask.Body),
            TenantSecret = ByteString.CopyFrom(ask.TenantSecret),
            MaxDueNanoton = _pacer.Bound,
            Resume = ask.Resume,
        };
        try
        {
            return session.Enclave.Seal(header, request, new ModelId(session.Offer.Offer.ModelId.Span));
        }
        catch (SessionException exception)
        {
            throw new InferenceException(InferenceFailure.InvalidRequest, "the request cannot be sealed", exception.Message, "Make it shorter.", exception)
            {
                HttpStatus = StatusCodes.Status413PayloadTooLarge,
            };
        }
    }

    /// <summary>The request carries the first voucher; what the provider remembers of the channel is compared with our books.</summary>
    private async Task SendRequestAsync(SealedCall call, CancellationToken cancellationToken)
    {
        Request request = new()
        {
            Header = UnsafeByteOperations.UnsafeWrap(call.Header),
            Sealed = UnsafeByteOperations.UnsafeWrap(call.Sealed),
            Voucher = _lastVoucher,
            PayerSignature = _payerSignature,
        };
        _mayOweMore = true;
        await WriteRequestAsync(request, cancellationToken);
        CrashPoint.Reach(CrashPoint.ClientRequestSent);
        ProviderMessage? answer = await ReadAcceptanceAsync(cancellationToken);
        switch (answer?.BodyCase)
        {
            case ProviderMessage.BodyOneofCase.Accepted:
                bool isBehind = await ReconcileAsync(answer.Accepted.HighestTotal, answer.Accepted.CarriedDue, cancellationToken);
                CrashPoint.Reach(CrashPoint.ClientAccepted);
                if (isBehind)
                {
                    // The request's voucher covers less than what is owed and this request. Now, not with the answer's end: a provider that
                    // has served all of it on credit no longer listens then.
                    await VouchAsync(_pacer.Allocated, send: true, cancellationToken);
                }

                return;
            case ProviderMessage.BodyOneofCase.Declined:
                _mayOweMore = false;
                bool wasBehind = answer.Declined is { Reason: DeclineReason.DeclineVoucher, CarriedDue: > 0 } behind
                    && await ReconcileAsync(behind.HighestTotal, behind.CarriedDue, cancellationToken);
                throw SessionFailures.FromDecline(session.Offer, answer.Declined, AtRisk(), wasBehind);
            default:
                throw SessionFailures.Lost(session.Offer, "it did not accept the request", atRisk: AtRisk());
        }
    }

    /// <summary>The answer to the request; what comes before it acknowledges vouchers of the session's request before.</summary>
    private async Task<ProviderMessage?> ReadAcceptanceAsync(CancellationToken cancellationToken)
    {
        long asked = time.GetTimestamp();
        while (true)
        {
            ProviderMessage? message = await ReadAsync(AcceptWait - time.GetElapsedTime(asked), isWhole: false, cancellationToken);
            if (message?.BodyCase != ProviderMessage.BodyOneofCase.VoucherAck)
            {
                return message;
            }
        }
    }

    /// <summary>A request can be larger than what a stream takes unread, so writing it has a limit too.</summary>
    private async Task WriteRequestAsync(Request request, CancellationToken cancellationToken)
    {
        try
        {
            ValueTask writing = session.Link.WriteAsync(new ClientMessage { Request = request }, _hearing);
            if (!writing.IsCompleted)
            {
                _silence!.CancelAfter(AcceptWait);
            }

            await writing;
            _silence!.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        catch (IOException exception)
        {
            throw SessionFailures.Lost(session.Offer, "the connection failed", exception, AtRisk());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw SessionFailures.Lost(session.Offer, $"it did not take the request within {AcceptWait.TotalSeconds:0} s", atRisk: AtRisk());
        }
    }

    private async Task ObserveAsync(ulong due, CancellationToken cancellationToken)
    {
        if (!_pacer.Observe(due))
        {
            throw SessionFailures.Overcharged(session.Offer, due, _pacer.Bound);
        }

        payment.Observe(due);
        if (ask.Shape == Shape.Fast && _pacer.NextFast() is { } allocation)
        {
            await VouchAsync(allocation, send: true, cancellationToken);
        }
    }

    private void CheckPrompt(Started started)
    {
        uint bound = RequestBound.PromptTokens(ask);
        if (started.PromptTokens > bound || started.CachedTokens > started.PromptTokens)
        {
            throw SessionFailures.Overcharged(session.Offer, started.PromptTokens, bound);
        }
    }

    private async Task FinalVoucherAsync(ulong due, CancellationToken cancellationToken)
    {
        if (!_pacer.Observe(due))
        {
            throw SessionFailures.Overcharged(session.Offer, due, _pacer.Bound);
        }

        payment.Observe(due);

        // In steady and batch shape the next block's message covers it: one more would tell when the answer ended.
        // In fast shape the lead nearly always covers it, and the voucher that the provider holds is the last one.
        ulong before = _pacer.Allocated;
        ulong allocation = _pacer.Final(due);
        if (ask.Shape == Shape.Fast && (allocation > before || !channel.IsCovered))
        {
            await VouchAsync(allocation, send: true, cancellationToken);
        }
    }

    /// <summary>Exactly one voucher message per block, whatever happened in it, so that messages say nothing about tokens.</summary>
    private async Task VouchEachBlockAsync(CancellationToken cancellationToken)
    {
        try
        {
            using PeriodicTimer timer = new(ResponseShape.Block, time);
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                await VouchAsync(_pacer.NextBlock(), send: true, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or InferenceException)
        {
            // The reading side tells why; an unsigned voucher only parks the slot.
        }
    }

    private async Task VouchAsync(ulong allocation, bool send, CancellationToken cancellationToken)
    {
        ulong before = channel.HighestTotal;
        try
        {
            _lastVoucher = await payment.VouchAsync(allocation, cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }

        if (channel.HighestTotal > before)
        {
            _vouchers++;
        }

        if (!send)
        {
            return;
        }

        try
        {
            await session.Link.WriteAsync(new ClientMessage { Voucher = _lastVoucher }, cancellationToken);
        }
        catch (IOException)
        {
            // A provider that has hung up: the reading side sees it and tells it with what was delivered.
        }
    }

    private async Task<bool> ReconcileAsync(ulong highestTotal, ulong carriedDue, CancellationToken cancellationToken)
    {
        try
        {
            return await channel.ReconcileAsync(highestTotal, carriedDue, payment, cancellationToken);
        }
        catch (PaymentException exception)
        {
            throw PaymentFailures.From(exception);
        }
    }

    /// <param name="isWhole">The answer is complete and paid: then a loss is only the end of the session.</param>
    private async Task<ProviderMessage?> ReadAsync(TimeSpan wait, bool isWhole, CancellationToken cancellationToken)
    {
        try
        {
            ValueTask<ProviderMessage?> reading = session.Link.ReadProviderMessageAsync(_hearing);
            if (!reading.IsCompleted)
            {
                _silence!.CancelAfter(wait > TimeSpan.Zero ? wait : TimeSpan.Zero);
            }

            ProviderMessage? message = await reading;
            _silence!.CancelAfter(Timeout.InfiniteTimeSpan);
            return message;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return isWhole ? null : throw SessionFailures.Lost(session.Offer, "the answer does not go on", atRisk: AtRisk());
        }
        catch (Exception exception) when (exception is IOException or Libp2pException)
        {
            return isWhole ? null : throw SessionFailures.Lost(session.Offer, "the connection broke", exception, AtRisk());
        }
    }

    /// <summary>
    /// A frame that is missing may have been moved rather than dropped: it comes a moment later then. Nothing that comes now is used; only
    /// the word for it depends on it.
    /// </summary>
    private async Task<SessionException> TellApartAsync(SessionException fault, AnswerReader reader)
    {
        if (fault.Code != SessionErrorCode.Dropped)
        {
            return fault;
        }

        using CancellationTokenSource brief = new(LateFrameWait, time);
        try
        {
            int heard = 0;
            while (heard < MaxHeardAfterFault && await session.Link.ReadProviderMessageAsync(brief.Token) is { } message)
            {
                heard += message.CalculateSize();
                if (message.BodyCase == ProviderMessage.BodyOneofCase.Sealed && Refusal(reader, message.Sealed.Data.Span) is { Code: SessionErrorCode.Reordered } moved)
                {
                    return moved;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or Libp2pException or OperationCanceledException)
        {
            // It did not come.
        }

        return fault;
    }

    private static SessionException? Refusal(AnswerReader reader, ReadOnlySpan<byte> chunk)
    {
        try
        {
            reader.Read(chunk);
            return null;
        }
        catch (SessionException refused)
        {
            return refused;
        }
    }

    /// <summary>A receipt that is no receipt is as good as none: it must not spoil an answer that is whole.</summary>
    private (string? Id, string? Path) Save(SignedReceipt receipt, SignedSettlement settlement)
    {
        try
        {
            PaidVoucher? paid = _lastVoucher is { } last && VoucherVerifier.Read(last, channel.Channel, out SignedVoucher? voucher) is null
                ? new PaidVoucher(voucher!, channel.Record.Terms)
                : null;
            return receipts.Save(session.Enclave, session.Offer.Peer.ToString(), receipt, settlement, paid);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            return (null, null);
        }
    }

    private void ThrowIfIncomplete(AnswerReader reader)
    {
        try
        {
            reader.ThrowIfIncomplete();
        }
        catch (SessionException exception)
        {
            throw SessionFailures.Spoiled(exception, AtRisk());
        }
    }

    /// <summary>What was vouched for this session beyond what was delivered.</summary>
    private ulong AtRisk() => _pacer.Allocated > _pacer.Due ? _pacer.Allocated - _pacer.Due : 0;

    /// <summary>Tells the provider to stop. Its enclave's settlement then says to the nanoton what was served, so that nothing rests on the provider's word.</summary>
    /// <param name="isLeaving">The application left; a provider that did wrong or is lost is not listened to any more.</param>
    private async Task CancelAsync(bool isLeaving)
    {
        using CancellationTokenSource brief = new(CancelWait, time);
        try
        {
            await session.Link.WriteAsync(new ClientMessage { Cancel = new Cancel() }, brief.Token);
            int heard = 0;
            while (isLeaving && _mayOweMore && heard < MaxHeardAfterCancel && await session.Link.ReadProviderMessageAsync(brief.Token) is { } message)
            {
                heard += message.CalculateSize();
                if (message.BodyCase == ProviderMessage.BodyOneofCase.Settlement)
                {
                    Settle(message.Settlement);
                    break;
                }
            }
        }
        catch (Exception exception) when (exception is IOException or Libp2pException or OperationCanceledException or ObjectDisposedException)
        {
            // Hanging up says the same.
        }

        session.Link.Stream.Reset();
    }

    private void Settle(SignedSettlement signed)
    {
        if (SignedRecords.TryVerifySettlement(session.Enclave.IdentityKey, signed, out Settlement? settlement)
            && settlement.SessionId.Span.SequenceEqual(session.Enclave.SessionId)
            && settlement.Channel.Span.SequenceEqual(channel.Channel.ToArray())
            && settlement.DueNanoton >= _pacer.Due
            && settlement.DueNanoton <= _pacer.Exposure
            && _pacer.Observe(settlement.DueNanoton))
        {
            _mayOweMore = false;
        }
    }
}
