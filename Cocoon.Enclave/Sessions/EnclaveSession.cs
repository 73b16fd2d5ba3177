using System.Security.Cryptography;
using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Buffers;
using Cocoon.Protocol.Enclaves.Proto;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Sessions;

/// <summary>One session inside the enclave, from Welcome to settlement: the only place where a prompt is plaintext.</summary>
/// <remarks>Frames come in from the pipe's one reader; the work runs in a task of its own.</remarks>
internal sealed partial class EnclaveSession : IAsyncDisposable
{
    private const int NonceSize = 16;
    private const int MaxKnownEvidence = 8;

    private readonly EnclaveSessionContext _context;
    private readonly SessionOutput _output;
    private readonly OpeningSession _opening;
    private readonly EnclaveIdentity.Evidence _evidence;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _paid = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private MeteredGate? _gate;
    private byte[] _voucherDigest = [];
    private ulong _covered;
    private ulong _finalDue = ulong.MaxValue;
    private StopReason _stopReason;

    private EnclaveSession(
        EnclaveSessionContext context, SessionOutput output, OpeningSession opening, EnclaveIdentity.Evidence evidence, Welcome welcome)
    {
        _context = context;
        _output = output;
        _opening = opening;
        _evidence = evidence;
        Welcome = welcome;
    }

    private enum StopReason
    {
        None = 0,
        Cancelled = 1,
        Unpaid = 2,
        OverBudget = 3,

        /// <summary>The host forgot the session: nothing more is said.</summary>
        Closed = 4,
    }

    public Welcome Welcome { get; }

    public byte[] SessionId => SessionTranscript.SessionId(_opening.TranscriptHash);

    /// <summary>Until when an opened session may be started.</summary>
    public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min(_opening.Quote.NotAfterMs, long.MaxValue / 20_000));

    /// <summary>The running work; completed when nothing runs.</summary>
    public Task Work { get; private set; } = Task.CompletedTask;

    public bool IsStarted { get; private set; }

    /// <exception cref="SessionException">Not a Hello.</exception>
    public static Hello ReadHello(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return Hello.Parser.ParseBounded(bytes.Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "hello");
        }
    }

    /// <summary>Composes and signs the Welcome.</summary>
    /// <param name="helloBytes">The exact bytes of <paramref name="hello"/>.</param>
    /// <param name="evidence">What the Welcome shows: the current evidence, or some made for this Hello.</param>
    /// <exception cref="SessionException">The Hello or the quote cannot be served.</exception>
    public static EnclaveSession Open(
        EnclaveSessionContext context, SessionOutput output, Hello hello, ReadOnlyMemory<byte> helloBytes, SignedQuote? signedQuote,
        EnclaveIdentity.Evidence evidence)
    {
        Quote quote;
        try
        {
            quote = Quote.Parser.ParseBounded((signedQuote?.Quote ?? ByteString.Empty).Span);
        }
        catch (Exception fault) when (ProtobufFault.IsMalformed(fault))
        {
            throw new SessionException(SessionErrorCode.Malformed, "quote");
        }

        if (hello.Nonce.Length != 32 || hello.KnownEvidence.Count > MaxKnownEvidence || quote.Prices is null || quote.HelloNonce != hello.Nonce
            || quote.UnitTokens < ResponseShape.MinUnitTokens)
        {
            throw new SessionException(SessionErrorCode.Malformed, "hello or quote");
        }

        if (!hello.Versions.Contains(1) || !hello.ModelId.Span.SequenceEqual(context.Model.Id.ToArray()))
        {
            throw new SessionException(SessionErrorCode.Mismatch, "version or model");
        }

        WelcomeBody body = new()
        {
            Version = 1,
            Keys = { context.Identity.Keys.Records },
            Quote = signedQuote,
            Nonce = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(NonceSize)),
        };
        if (hello.KnownEvidence.Any(d => d.Span.SequenceEqual(evidence.Digest)))
        {
            body.BundleDigest = ByteString.CopyFrom(evidence.Digest);
        }
        else
        {
            body.Bundle = UnsafeByteOperations.UnsafeWrap(evidence.Bundle);
        }

        ByteString bodyBytes = body.ToByteString();
        byte[] transcript = SessionTranscript.Hash(helloBytes.Span, bodyBytes.Span);
        Welcome welcome = new()
        {
            Body = bodyBytes,
            Signature = UnsafeByteOperations.UnsafeWrap(SessionTranscript.Sign(context.Identity.Key, transcript)),
        };
        OpeningSession opening = new(
            transcript, evidence.ReportData, SHA256.HashData(signedQuote!.Quote.Span), quote, context.Model.Id.ToArray());
        return new EnclaveSession(context, output, opening, evidence, welcome);
    }

    /// <summary>Opens the request and starts the work.</summary>
    /// <exception cref="SessionException">Refused; nothing ran.</exception>
    public void Start(StartRequest start, CancellationToken shutdown)
    {
        if (IsStarted)
        {
            throw new SessionException(SessionErrorCode.Malformed, "started twice");
        }

        IsStarted = true;
        OpenedRequest opened = _context.Opener.Open(_opening, start.Header.Span, start.Sealed.Span);
        MeteredGate gate = new(opened.Request.Prices, opened.Request.MaxDueNanoton);
        gate.Allow(start.UpToDue);
        _gate = gate;
        Work = Task.Run(() => RunAsync(opened, gate, shutdown), CancellationToken.None);
    }

    public void Allow(ulong upToDue) => _gate?.Allow(upToDue);

    public void ReportVoucher(ReadOnlySpan<byte> digest, ulong covers)
    {
        lock (_lock)
        {
            _voucherDigest = digest.Length == SHA256.HashSizeInBytes ? digest.ToArray() : _voucherDigest;
            _covered = Math.Max(_covered, covers);
            if (_covered >= _finalDue)
            {
                _paid.TrySetResult();
            }
        }
    }

    public void Cancel() => Stop(StopReason.Cancelled);

    public void Close() => Stop(StopReason.Closed);

    /// <summary>Closes and waits for the work. No other call may follow.</summary>
    public async ValueTask DisposeAsync()
    {
        Close();
        await Work;
        _stop.Dispose();
    }

    private void Stop(StopReason reason)
    {
        lock (_lock)
        {
            if (_stopReason is StopReason.Closed || (_stopReason != StopReason.None && reason != StopReason.Closed))
            {
                return;
            }

            _stopReason = reason;
        }

        _stop.Cancel();
        _paid.TrySetResult();
    }

    private async Task RunAsync(OpenedRequest opened, MeteredGate gate, CancellationToken shutdown)
    {
        AnswerState state = new(opened.Request.Prices);
        DateTimeOffset startedAt = _context.Time.GetUtcNow();
        try
        {
            await using AnswerSender sender = AnswerSender.Create(
                opened.Header.Shape,
                opened.Response,
                _output,
                used => Metering.Due(opened.Request.Prices, used),
                _opening.Quote.UnitTokens,
                _context.Time);
            string outcome = await GenerateAsync(opened, gate, sender, state, shutdown);
            if (_stopReason == StopReason.Closed)
            {
                return;
            }

            ulong due = state.Due;
            bool isCovered = IsCovered(due);
            await sender.SettleAsync(due, isCovered, shutdown);
            if (!isCovered)
            {
                await WaitForVoucherAsync(due, shutdown);
            }

            if (_stopReason != StopReason.Closed)
            {
                SignedReceipt receipt = BuildReceipt(opened, state, startedAt);
                await sender.PostAsync(new AnswerEvent { Receipt = receipt }, state.Used, shutdown);
                await sender.CompleteAsync(shutdown);
            }

            await _output.EndedAsync(outcome, due, BuildSettlement(opened, due), shutdown);
        }
        catch (OperationCanceledException) when (shutdown.IsCancellationRequested)
        {
            // The process is ending.
        }
        catch (IOException)
        {
            // The host is gone, which the reader of the pipe notices too.
        }
        catch (Exception e)
        {
            // Edge of the session: without its final frame the client knows that the answer is cut, and the host gets its settlement.
            Log.SessionFailed(_context.Logger, e.GetType().Name);
            await EndAfterFailureAsync(opened, state.Due, shutdown);
        }
    }

    private async Task EndAfterFailureAsync(OpenedRequest opened, ulong due, CancellationToken shutdown)
    {
        try
        {
            await _output.EndedAsync("failed", due, BuildSettlement(opened, due), shutdown);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The process is ending.
        }
    }

    private bool IsCovered(ulong due)
    {
        lock (_lock)
        {
            return _covered >= due;
        }
    }

    private async Task WaitForVoucherAsync(ulong due, CancellationToken shutdown)
    {
        lock (_lock)
        {
            _finalDue = due;
            if (_covered >= due)
            {
                return;
            }
        }

        if (_stopReason is StopReason.None or StopReason.OverBudget)
        {
            try
            {
                await _paid.Task.WaitAsync(EnclaveSessionContext.PaymentWait, _context.Time, shutdown);
            }
            catch (TimeoutException)
            {
                Log.NoLastVoucher(_context.Logger);
            }
        }
    }

    private SignedReceipt BuildReceipt(OpenedRequest opened, AnswerState state, DateTimeOffset startedAt)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(ReceiptDigests.SaltSize);
        EngineInfo engine = _context.Engine.Info;
        Receipt receipt = new()
        {
            SessionId = ByteString.CopyFrom(SessionId),
            Usage = state.Usage,
            Salt = ByteString.CopyFrom(salt),
            RequestDigest = ByteString.CopyFrom(ReceiptDigests.Request(salt, opened.Request.Body.Span)),
            ResponseDigest = ByteString.CopyFrom(ReceiptDigests.Response(salt, state.Texts)),
            ModelId = ByteString.CopyFrom(_context.Model.Id.ToArray()),
            ModelName = _context.Model.Name,
            ModelAssurance = _context.Identity.Tier == Cocoon.Protocol.Attestation.Tier.Open ? "claimed" : "attested",
            EngineDigest = ByteString.CopyFrom(EngineDigests.Digest(engine)),
            Engine = $"{engine.Kind} {engine.Version}",
            Tier = Cocoon.Protocol.Attestation.AttestationWords.Word(_context.Identity.Tier),
            EvidenceKind = Cocoon.Protocol.Attestation.AttestationWords.Word(_context.Identity.Kind),
            EvidenceDigest = ByteString.CopyFrom(_evidence.Digest),
            Prices = opened.Request.Prices,
            TotalNanoton = state.Due,
            Channel = opened.Header.Channel,
            VoucherDigest = VoucherDigest(),
            StartedAtMs = (ulong)startedAt.ToUnixTimeMilliseconds(),
            FinishedAtMs = (ulong)_context.Time.GetUtcNow().ToUnixTimeMilliseconds(),
            QuoteDigest = ByteString.CopyFrom(_opening.QuoteDigest),
        };
        return SignedRecords.SignReceipt(_context.Identity.Key, receipt);
    }

    private SignedSettlement BuildSettlement(OpenedRequest opened, ulong due) => SignedRecords.SignSettlement(
        _context.Identity.Key,
        new Settlement
        {
            SessionId = ByteString.CopyFrom(SessionId),
            Channel = opened.Header.Channel,
            QuoteDigest = ByteString.CopyFrom(_opening.QuoteDigest),
            DueNanoton = due,
            VoucherDigest = VoucherDigest(),
        });

    private ByteString VoucherDigest()
    {
        lock (_lock)
        {
            return ByteString.CopyFrom(_voucherDigest);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Debug, "a session ended without its last voucher")]
        public static partial void NoLastVoucher(ILogger logger);

        [LoggerMessage(2002, LogLevel.Error, "a session failed with {Exception}")]
        public static partial void SessionFailed(ILogger logger, string exception);
    }
}
