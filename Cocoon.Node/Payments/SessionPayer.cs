using Cocoon.Protocol.Sessions;
using Cocoon.Protocol.Sessions.Proto;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>Who asks in a session: proven once for the channel that it pays with.</summary>
/// <remarks>Not thread-safe: requests of one session are judged one after the other.</remarks>
/// <param name="sessionId">16 bytes, of the session and not of one of its requests.</param>
internal sealed class SessionPayer(ReadOnlyMemory<byte> sessionId)
{
    private CellHash? _proven;

    /// <summary>Whether the request's sender may sign the channel's vouchers. Nothing of the request may be counted before.</summary>
    public bool IsProven(ProviderChannel channel, Request request)
    {
        // What is vouched beyond the cap of a session key is not its holder's to spend.
        bool isUsedUp = request.Voucher?.Grant is { } grant && VoucherVerifier.CapOf(grant) < channel.HighestTotal;
        if (isUsedUp || _proven == channel.Channel)
        {
            return !isUsedUp;
        }

        bool isProven = VoucherVerifier.SignerOf(request.Voucher, channel.Channel, channel.PayKey) is { } key
            && PayerStatement.Verify(key, sessionId.Span, channel.Channel, request.PayerSignature.Span);
        _proven = isProven ? channel.Channel : _proven;
        return isProven;
    }
}
