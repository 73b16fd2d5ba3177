using System.Security.Cryptography;
using Cocoon.Enclave.Attestation;
using Cocoon.Enclave.Inference;
using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Google.Protobuf;
using Microsoft.Extensions.Logging;

namespace Cocoon.Enclave.Sessions;

/// <summary>One request of a session, from its opening to its settlement: the only place where a prompt is plaintext.</summary>
/// <remarks>Frames come in from the pipe's one reader; the work runs in a task of its own, and disposes of the request at its end.</remarks>
internal sealed partial class EnclaveRequest : IDisposable
{
    private readonly EnclaveSessionContext _context;
    private readonly SessionOutput _output;
    private readonly OpeningSession _opening;
    private readonly EnclaveIdentity.Evidence _evidence;
    private readonly OpenedRequest _opened;
    private readonly MeteredGate _gate;
    private readonly Action _free;

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _paid = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private byte[] _voucherDigest = [];
    private ulong _covered;
    private ulong _finalDue = ulong.MaxValue;
    private StopReason _stopReason;
    private AnswerSender? _sender;
    private int _stopping;
    private bool _isOver;
    private bool _isLeft;

    /// <param name="opening">With the id of this request.</param>
    /// <param name="opened">Its response sealer is owned from now on.</param>
    /// <param name="free">Called once, before the last frame leaves.</param>
    public EnclaveRequest(
        EnclaveSessionContext context, SessionOutput output, OpeningSession opening, EnclaveIdentity.Evidence evidence, OpenedRequest opened, Action free)
    {
        _context = context;
        _output = output;
        _opening = opening;
        _evidence = evidence;
        _opened = opened;
        _free = free;
        _gate = new MeteredGate(opened.Request.Prices, opened.Request.MaxDueNanoton);
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

    /// <summary>The running work.</summary>
    public Task Work { get; private set; } = Task.CompletedTask;

    public void Begin(CancellationToken shutdown) => Work = Task.Run(() => RunAsync(shutdown), CancellationToken.None);

    public void Allow(ulong upToDue) => _gate.Allow(upToDue);

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

    public void Cancel()
    {
        Stop(StopReason.Cancelled);
        AnswerSender? sender;
        lock (_lock)
        {
            _isLeft = true;
            sender = _sender;
        }

        sender?.Leave();
    }

    public void Close() => Stop(StopReason.Closed);

    public void Dispose()
    {
        lock (_lock)
        {
            // The pipe's reader may be cancelling as the work ends: then it is the last.
            _isOver = true;
            if (_stopping > 0)
            {
                return;
            }
        }

        _stop.Dispose();
    }

    private void Stop(StopReason reason)
    {
        lock (_lock)
        {
            if (_isOver || _stopReason is StopReason.Closed || (_stopReason != StopReason.None && reason != StopReason.Closed))
            {
                return;
            }

            _stopReason = reason;
            _stopping++;
        }

        _stop.Cancel();
        _paid.TrySetResult();
        lock (_lock)
        {
            _stopping--;
            if (!_isOver || _stopping > 0)
            {
                return;
            }
        }

        _stop.Dispose();
    }

    private async Task RunAsync(CancellationToken shutdown)
    {
        AnswerState state = new(_opened.Request.Prices);
        DateTimeOffset startedAt = _context.Time.GetUtcNow();
        try
        {
            await using AnswerSender sender = AnswerSender.Create(
                _opened.Header.Shape,
                _opened.Response,
                _output,
                used => Metering.Due(_opened.Request.Prices, used),
                _opening.Quote.UnitTokens,
                _context.Time);
            Begin(sender);
            string outcome = await GenerateAsync(sender, state, shutdown);
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
                SignedReceipt receipt = BuildReceipt(state, startedAt);
                await sender.PostAsync(new AnswerEvent { Receipt = receipt }, state.Used, shutdown);
                await sender.CompleteAsync(shutdown);
            }

            await EndAsync(outcome, due, shutdown);
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
            await EndAfterFailureAsync(state.Due, shutdown);
        }
        finally
        {
            Dispose();
        }
    }

    /// <summary>A client that left before this is not waited for either.</summary>
    private void Begin(AnswerSender sender)
    {
        bool isLeft;
        lock (_lock)
        {
            _sender = sender;
            isLeft = _isLeft;
        }

        if (isLeft)
        {
            sender.Leave();
        }
    }

    private ValueTask EndAsync(string outcome, ulong due, CancellationToken shutdown)
    {
        SignedSettlement settlement = BuildSettlement(due);
        _free();
        return _output.EndedAsync(outcome, due, settlement, shutdown);
    }

    private async Task EndAfterFailureAsync(ulong due, CancellationToken shutdown)
    {
        try
        {
            await EndAsync("failed", due, shutdown);
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

    private SignedReceipt BuildReceipt(AnswerState state, DateTimeOffset startedAt)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(ReceiptDigests.SaltSize);
        EngineInfo engine = _context.Engine.Info;
        Receipt receipt = new()
        {
            SessionId = ByteString.CopyFrom(_opening.RequestId),
            Usage = state.Usage,
            Salt = ByteString.CopyFrom(salt),
            RequestDigest = ByteString.CopyFrom(ReceiptDigests.Request(salt, _opened.Request.Body.Span)),
            ResponseDigest = ByteString.CopyFrom(ReceiptDigests.Response(salt, state.Texts)),
            ModelId = ByteString.CopyFrom(_context.Model.Id.ToArray()),
            ModelName = _context.Model.Name,
            ModelAssurance = _context.Identity.Tier == Cocoon.Protocol.Attestation.Tier.Open ? "claimed" : "attested",
            EngineDigest = ByteString.CopyFrom(EngineDigests.Digest(engine)),
            Engine = $"{engine.Kind} {engine.Version}",
            Tier = Cocoon.Protocol.Attestation.AttestationWords.Word(_context.Identity.Tier),
            EvidenceKind = Cocoon.Protocol.Attestation.AttestationWords.Word(_context.Identity.Kind),
            EvidenceDigest = ByteString.CopyFrom(_evidence.Digest),
            Prices = _opened.Request.Prices,
            TotalNanoton = state.Due,
            Channel = _opened.Header.Channel,
            VoucherDigest = VoucherDigest(),
            StartedAtMs = (ulong)startedAt.ToUnixTimeMilliseconds(),
            FinishedAtMs = (ulong)_context.Time.GetUtcNow().ToUnixTimeMilliseconds(),
            QuoteDigest = ByteString.CopyFrom(_opening.QuoteDigest),
        };
        return SignedRecords.SignReceipt(_context.Identity.Key, receipt);
    }

    private SignedSettlement BuildSettlement(ulong due) => SignedRecords.SignSettlement(
        _context.Identity.Key,
        new Settlement
        {
            SessionId = ByteString.CopyFrom(_opening.RequestId),
            Channel = _opened.Header.Channel,
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
        [LoggerMessage(8011, LogLevel.Debug, "a session ended without its last voucher")]
        public static partial void NoLastVoucher(ILogger logger);

        [LoggerMessage(8012, LogLevel.Error, "a session failed with {Exception}")]
        public static partial void SessionFailed(ILogger logger, string exception);
    }
}
