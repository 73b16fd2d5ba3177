using Cocoon.Node.Diagnostics;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Protocol.Ton.Cells;
using Google.Protobuf;

namespace Cocoon.Node.Payments;

/// <summary>The provider's side of <c>/cocoon/pay/1.0.0</c>.</summary>
internal sealed partial class PayHandler(ProviderLedger ledger, PeerId self, TimeProvider time, ILogger<PayHandler> logger)
{
    private const int MaxConcurrent = 32;
    private static readonly TimeSpan s_requestTimeout = TimeSpan.FromSeconds(15);
    private int _running;

    public void Register(ILibp2pHost host) => host.Handle(PayProtocol.Id, HandleAsync);

    /// <summary>Serves clients too that hide behind privacy relays.</summary>
    public void Register(RelayService relay) => relay.Serve(PayProtocol.Id, HandleAsync);

    /// <summary>Serves one stream: one request, one answer.</summary>
    public async Task HandleAsync(IPeerStream stream, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(s_requestTimeout, time);
        using CancellationTokenSource timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        PayRequest? request = await LengthPrefixed.ReadAsync(stream, PayRequest.Parser, PayProtocol.MaxMessage, timeout.Token);
        if (request is null)
        {
            return;
        }

        PayResponse response;
        try
        {
            response = Interlocked.Increment(ref _running) <= MaxConcurrent
                ? await AnswerAsync(request, timeout.Token)
                : Refuse(PayRefusal.Rate, "too many requests at once");
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }

        await LengthPrefixed.WriteAsync(stream, response, timeout.Token);
        await stream.CloseWriteAsync(timeout.Token);
    }

    /// <summary>The answer to one request, without the stream.</summary>
    public Task<PayResponse> AnswerAsync(PayRequest request, CancellationToken cancellationToken) => request.BodyCase switch
    {
        PayRequest.BodyOneofCase.State => Task.FromResult(AnswerState(request.State)),
        PayRequest.BodyOneofCase.Close => AnswerCloseAsync(request.Close, cancellationToken),
        _ => Task.FromResult(Refuse(PayRefusal.Malformed, "the request has no known body")),
    };

    private PayResponse AnswerState(ChannelStateRequest request)
    {
        if (request.Channel.Length != CellHash.Size)
        {
            return Refuse(PayRefusal.Malformed, "a channel has 32 bytes");
        }

        CellHash id = new(request.Channel.Span);
        if (ledger.Find(id) is not { } channel)
        {
            return Refuse(PayRefusal.UnknownChannel, "this node has not accepted the channel");
        }

        ProviderChannelRecord record = channel.Record;
        if (!PayProtocol.VerifyState(record.PayKey, id, self, request.TimeMs, request.Signature.Span, time.GetUtcNow()))
        {
            return Refuse(PayRefusal.BadSignature, "not signed by the channel's pay key, or the clocks differ by more than 5 minutes");
        }

        ChannelStateResponse state = new() { DueNanoton = record.Due, Closing = record.Closing || record.CloseAt != 0 };
        if (record.Voucher is { } held)
        {
            state.Voucher = held.ToMessage();
        }

        return new PayResponse { State = state };
    }

    private async Task<PayResponse> AnswerCloseAsync(CloseRequest request, CancellationToken cancellationToken)
    {
        if (request.Channel.Length != CellHash.Size || request.Voucher is null)
        {
            return Refuse(PayRefusal.Malformed, "a channel of 32 bytes and a voucher are needed");
        }

        CellHash id = new(request.Channel.Span);
        ProviderChannel? channel = ledger.Find(id) ?? (await ledger.VerifyAsync(id, cancellationToken) as ChannelAcceptance.Accepted)?.Channel;
        if (channel is null)
        {
            return Refuse(PayRefusal.UnknownChannel, "this node does not accept the channel");
        }

        if (VoucherVerifier.Read(request.Voucher, id, out SignedVoucher? voucher) is { } unreadable)
        {
            return Refuse(PayRefusal.Malformed, unreadable.Detail);
        }

        VoucherStatement statement = voucher!.Statement;

        // A total below the highest one is no voucher to keep; the ack then returns what was vouched and not owed.
        if (VoucherVerifier.Verify(voucher, channel.Record.PayKey) is { } wrong)
        {
            return Refuse(PayRefusal.BadSignature, wrong.Detail);
        }

        if (IsPublic(channel.Record, statement))
        {
            return Refuse(PayRefusal.BadSignature, "that voucher has been on the chain: anybody can show it; sign a new one to close");
        }

        if (await ledger.AcceptVoucherAsync(channel, request.Voucher, cancellationToken) is VoucherOutcome.Refused refused)
        {
            return Refuse(refused.Fault == VoucherFault.Malformed ? PayRefusal.Malformed : PayRefusal.BadSignature, refused.Detail);
        }

        if (await channel.BeginCloseAsync(statement.Total, cancellationToken) is { } refusal)
        {
            Log.CloseRefused(logger, id, refusal);
            return Refuse(refusal, Explain(refusal), channel.Exposure.Due);
        }

        CrashPoint.Reach(CrashPoint.ProviderCloseStored);
        CloseAckStatement ack = new(id, statement.Total);
        Log.CloseAgreed(logger, id, statement.Total);
        return new PayResponse
        {
            Close = new CloseResponse
            {
                AckStatement = ByteString.CopyFrom(ack.ToBytes()),
                AckSignature = ByteString.CopyFrom(ack.Sign(ledger.Identity.ProviderKey)),
            },
        };
    }

    /// <summary>A claim publishes its voucher, so that one no longer proves that the client asks. The client signs each close with a fresh nonce.</summary>
    private static bool IsPublic(ProviderChannelRecord record, VoucherStatement statement) =>
        record.AckTotal is null
        && record.Voucher is { } held
        && statement.Nonce <= held.Statement.Nonce
        && (statement.Total <= record.Claimed || record.ClaimQueued);

    private static string Explain(PayRefusal refusal) => refusal switch
    {
        PayRefusal.SessionLive => "a session runs on the channel; end it first",
        PayRefusal.BelowDue => "the voucher covers less than is owed",
        _ => "the channel is already being closed at another total",
    };

    private static PayResponse Refuse(PayRefusal reason, string detail, ulong due = 0) =>
        new() { Refused = new PayRefused { Reason = (PayRefused.Types.Reason)reason, Detail = detail, DueNanoton = due } };

    private static partial class Log
    {
        [LoggerMessage(4020, LogLevel.Information, "Agreed to close channel {Channel} at {Total} nanoTON")]
        public static partial void CloseAgreed(ILogger logger, CellHash channel, ulong total);

        [LoggerMessage(4021, LogLevel.Debug, "Refused to close channel {Channel}: {Refusal}")]
        public static partial void CloseRefused(ILogger logger, CellHash channel, PayRefusal refusal);
    }
}
