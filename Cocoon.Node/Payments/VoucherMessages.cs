using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Payments.Proto;
using Google.Protobuf;

namespace Cocoon.Node.Payments;

/// <summary>The wire form of a signed voucher, and back.</summary>
internal static class VoucherMessages
{
    public static VoucherMessage ToMessage(this SignedVoucher voucher, ReadOnlySpan<SessionAllocation> allocations = default)
    {
        VoucherMessage message = new()
        {
            Statement = ByteString.CopyFrom(voucher.Statement.ToBytes()),
            Signature = ByteString.CopyFrom(voucher.Signature),
        };
        if (voucher.Grant is { } grant)
        {
            message.Grant = new Grant
            {
                Statement = ByteString.CopyFrom(new GrantStatement(voucher.Statement.Channel, grant.SessionKey, grant.Cap).ToBytes()),
                Signature = ByteString.CopyFrom(grant.Signature),
            };
        }

        foreach (SessionAllocation allocation in allocations)
        {
            message.Allocations.Add(new Allocation { SessionId = ByteString.CopyFrom(allocation.Session.ToArray()), Nanoton = allocation.NanoTon });
        }

        return message;
    }

    /// <summary>Allocations of well-formed session ids; others mean nothing to this host and are dropped.</summary>
    public static SessionAllocation[] ReadAllocations(this VoucherMessage message) =>
        [.. message.Allocations
            .Where(allocation => allocation.SessionId.Length == SessionId.Size)
            .Select(allocation => new SessionAllocation(SessionId.From(allocation.SessionId.Span), allocation.Nanoton))];
}
