using System.Runtime.CompilerServices;
using Cocoon.Node.Diagnostics;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Inference;
using Cocoon.Protocol.Receipts;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Sessions;

/// <summary>One paid request over an opened session: seals, vouches while tokens flow, unseals, and keeps the receipt.</summary>
internal sealed class SessionRun(OpenedSession session, ClientChannel channel, ClientSession share, Ask ask, ReceiptStore receipts, TimeProvider time)
{
    private static readonly TimeSpan AcceptWait = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan FirstFrameWait = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan StallWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RequestLife = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan SettleWait = TimeSpan.FromSeconds(15);

    private readonly RunPayment _payment = new(session, channel, share, ask, time);

    /// <summary>Bytes that the answer may still have.</summary>
    private long _room = RequestBound.AnswerBytes(ask, session.Enclave.Quote);
    private bool _hasBegun;
    private bool _isRefused;
    private Finished? _finished;
    private SignedReceipt? _receipt;

    /// <inheritdoc cref="RunPayment.Cost"/>
    public AnswerCost Cost => _payment.Cost;

    /// <inheritdoc cref="RunPayment.Exposure"/>
    public ulong Exposure => _payment.Exposure;

    /// <exception cref="InferenceException">Declined, lost, cut short, overcharged, or refused by the engine.</exception>
    public async IAsyncEnumerable<AnswerPart> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using PatientLink link = new(session, _payment, time, cancellationToken);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task blocks = Task.CompletedTask;
        try
        {
            (SealedCall call, ByteString payer) = await PrepareAsync(cancellationToken);
            using AnswerReader reader = new(call.Response);
            await SendRequestAsync(link, call, payer, cancellationToken);
            yield return new AnswerPart.Opened(session.Source(_payment.Address, ask.Shape));

            blocks = ask.Shape == Shape.Fast ? blocks : _payment.VouchEachBlockAsync(ending.Token);
            SignedSettlement? settlement = null;
            TimeSpan waited = TimeSpan.Zero;
            while (settlement is null)
            {
                TimeSpan patience = _finished is not null ? SettleWait : _hasBegun ? StallWait : FirstFrameWait;
                long asked = time.GetTimestamp();
                ProviderMessage? message = await link.ReadAsync(patience - waited, isWhole: _finished is not null);

                // Acks and filler are no progress: a provider that sends nothing else is as lost as a silent one.
                waited += time.GetElapsedTime(asked);
                switch (message?.BodyCase)
                {
                    case ProviderMessage.BodyOneofCase.Sealed:
                        foreach (AnswerEvent happened in await OpenAsync(message.Sealed, reader, link))
                        {
                            waited = TimeSpan.Zero;
                            if (await HearAsync(happened, link, cancellationToken) is { } part)
                            {
                                yield return part;
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
                        throw SessionFailures.FromDecline(session.Offer, message.Declined, _payment.AtRisk);
                    case null when _finished is not null:
                        // The answer is whole and paid; only the host's last words are missing.
                        settlement = new SignedSettlement();
                        break;
                    case null when _hasBegun:
                        ThrowIfIncomplete(reader);
                        goto default;
                    default:
                        throw link.Lost("the session ended before the answer did");
                }
            }

            if (_finished is null)
            {
                ThrowIfIncomplete(reader);
                throw link.Lost("the session ended before the answer did");
            }

            session.IsAtRest = reader.IsComplete && !settlement.Settlement.IsEmpty;
            (string? id, string? path) = _receipt is null ? (null, null) : Save(_receipt, settlement);
            CrashPoint.Reach(CrashPoint.ClientReceipted);
            yield return new AnswerPart.Completed(Cost, id, path);
        }
        finally
        {
            try
            {
                await ending.CancelAsync();
                await blocks;
                if (_finished is null)
                {
                    await link.CancelAsync(_isRefused);
                }
            }
            finally
            {
                // However it ended: a session left live would keep its share of the channel for ever.
                await _payment.EndAsync(isWhole: _finished is not null);
                CrashPoint.Reach(CrashPoint.ClientEnded);
            }
        }
    }

    /// <summary>The request is sealed, and the session's payer signed for, while its voucher goes to the disk.</summary>
    private async Task<(SealedCall Call, ByteString Payer)> PrepareAsync(CancellationToken cancellationToken)
    {
        Task vouching = _payment.VouchFirstAsync(cancellationToken);
        SealedCall? call = null;
        try
        {
            call = Seal();
            ByteString payer = session.PayerSignature(channel);
            await vouching;
            return (call, payer);
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
            MaxDueNanoton = _payment.Bound,
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
    private async Task SendRequestAsync(PatientLink link, SealedCall call, ByteString payer, CancellationToken cancellationToken)
    {
        Request request = new()
        {
            Header = UnsafeByteOperations.UnsafeWrap(call.Header),
            Sealed = UnsafeByteOperations.UnsafeWrap(call.Sealed),
            Voucher = _payment.LastVoucher,
            PayerSignature = payer,
        };
        _payment.RequestLeaves();
        await link.WriteAsync(request, AcceptWait);
        CrashPoint.Reach(CrashPoint.ClientRequestSent);
        ProviderMessage? answer = await ReadAcceptanceAsync(link);
        switch (answer?.BodyCase)
        {
            case ProviderMessage.BodyOneofCase.Accepted:
                bool isBehind = await _payment.ReconcileAsync(answer.Accepted.HighestTotal, answer.Accepted.CarriedDue, cancellationToken);
                CrashPoint.Reach(CrashPoint.ClientAccepted);
                if (isBehind)
                {
                    // The request's voucher covers less than what is owed and this request. Now, not with the answer's end: a provider that
                    // has served all of it on credit no longer listens then.
                    await _payment.VouchAgainAsync(cancellationToken);
                }

                return;
            case ProviderMessage.BodyOneofCase.Declined:
                _payment.NothingMoreIsServed();
                bool wasBehind = answer.Declined is { Reason: DeclineReason.DeclineVoucher, CarriedDue: > 0 } behind
                    && await _payment.ReconcileAsync(behind.HighestTotal, behind.CarriedDue, cancellationToken);
                throw SessionFailures.FromDecline(session.Offer, answer.Declined, _payment.AtRisk, wasBehind);
            default:
                throw link.Lost("it did not accept the request");
        }
    }

    /// <summary>The answer to the request; what comes before it acknowledges vouchers of the session's request before.</summary>
    private async Task<ProviderMessage?> ReadAcceptanceAsync(PatientLink link)
    {
        long asked = time.GetTimestamp();
        while (true)
        {
            ProviderMessage? message = await link.ReadAsync(AcceptWait - time.GetElapsedTime(asked), isWhole: false);
            if (message?.BodyCase != ProviderMessage.BodyOneofCase.VoucherAck)
            {
                return message;
            }
        }
    }

    private async Task<IReadOnlyList<AnswerEvent>> OpenAsync(SealedFrame frame, AnswerReader reader, PatientLink link)
    {
        try
        {
            return reader.Read(frame.Data.Span);
        }
        catch (SessionException fault)
        {
            throw SessionFailures.Spoiled(await link.TellApartAsync(fault, reader), _payment.AtRisk);
        }
    }

    /// <summary>Takes in what the enclave says, and pays for it.</summary>
    /// <returns>What the application hears of it.</returns>
    private async ValueTask<AnswerPart?> HearAsync(AnswerEvent happened, PatientLink link, CancellationToken cancellationToken)
    {
        _room -= happened.CalculateSize();
        if (_room < 0)
        {
            throw link.Lost("it sends more than the answer can have");
        }

        switch (happened.BodyCase)
        {
            case AnswerEvent.BodyOneofCase.Started:
                _hasBegun = true;
                CheckPrompt(happened.Started);
                return new AnswerPart.Begun(happened.Started.PromptTokens, happened.Started.CachedTokens);
            case AnswerEvent.BodyOneofCase.Delta:
                await _payment.ObserveAsync(happened.Delta.DueNanoton, cancellationToken);
                CrashPoint.Reach(CrashPoint.ClientAnswering);
                return new AnswerPart.Text(happened.Delta);
            case AnswerEvent.BodyOneofCase.Embedding:
                return new AnswerPart.Vector(happened.Embedding);
            case AnswerEvent.BodyOneofCase.Failed:
                _payment.NothingMoreIsServed();
                await _payment.ObserveAsync(happened.Failed.DueNanoton, cancellationToken);
                _isRefused = true;
                throw SessionFailures.FromEngine(happened.Failed);
            case AnswerEvent.BodyOneofCase.Finished:
                CrashPoint.Reach(CrashPoint.ClientAnswered);
                _finished = happened.Finished;
                await _payment.FinishAsync(_finished.DueNanoton, cancellationToken);
                CrashPoint.Reach(CrashPoint.ClientPaid);
                return new AnswerPart.Ended(_finished);
            case AnswerEvent.BodyOneofCase.Receipt:
                _receipt = happened.Receipt;
                return null;
            default:
                return null;
        }
    }

    private void CheckPrompt(Started started)
    {
        uint bound = RequestBound.PromptTokens(ask);
        string? wrong = started.PromptTokens > bound ? $"it counts {started.PromptTokens} tokens in a prompt that has {bound} at most"
            : started.CachedTokens > started.PromptTokens ? $"it counts {started.CachedTokens} cached tokens in a prompt of {started.PromptTokens}"
            : null;
        if (wrong is not null)
        {
            throw SessionFailures.Overcharged(session.Offer, wrong, _payment.AtRisk);
        }
    }

    /// <summary>A receipt that is no receipt is as good as none: it must not spoil an answer that is whole.</summary>
    private (string? Id, string? Path) Save(SignedReceipt receipt, SignedSettlement settlement)
    {
        try
        {
            PaidVoucher? paid = _payment.LastVoucher is { } last && VoucherVerifier.Read(last, channel.Channel, out SignedVoucher? voucher) is null
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
            throw SessionFailures.Spoiled(exception, _payment.AtRisk);
        }
    }
}
