using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>Judges a voucher as the contract will: same bytes, same key, same grant.</summary>
internal static class VoucherVerifier
{
    private const int MaxAllocations = 64;

    /// <summary>Reads the message without judging a signature.</summary>
    /// <returns>What is wrong, or <c>null</c> with <paramref name="voucher"/> set.</returns>
    public static VoucherOutcome.Refused? Read(VoucherMessage message, CellHash channel, out SignedVoucher? voucher)
    {
        voucher = null;
        if (!VoucherStatement.TryDecode(message.Statement.Span, out VoucherStatement statement)
            || message.Signature.Length != Ed25519.SignatureSize
            || message.Allocations.Count > MaxAllocations)
        {
            return new VoucherOutcome.Refused(VoucherFault.Malformed, "not a voucher of 52 bytes with a signature of 64");
        }

        if (statement.Channel != channel)
        {
            return new VoucherOutcome.Refused(VoucherFault.OtherChannel, "signed for another channel");
        }

        SignedGrant? grant = null;
        if (message.Grant is not null && !TryReadGrant(message.Grant, channel, out grant))
        {
            return new VoucherOutcome.Refused(VoucherFault.Grant, "the grant is malformed, or for another channel");
        }

        voucher = new SignedVoucher(statement, message.Signature.ToByteArray(), grant);
        return null;
    }

    /// <returns><c>null</c> when the voucher is good.</returns>
    public static VoucherOutcome.Refused? Verify(SignedVoucher voucher, Ed25519PublicKey payKey)
    {
        if (voucher.Grant is { } grant && voucher.Statement.Total > grant.Cap)
        {
            return new VoucherOutcome.Refused(VoucherFault.Grant, $"the session key may sign up to {grant.Cap} nanoTON only");
        }

        return voucher.Verify(payKey) ? null : new VoucherOutcome.Refused(VoucherFault.Signature, "not signed by the channel's pay key, nor by a key it granted");
    }

    /// <summary>The key that may sign for the channel: the pay key, or the session key that the voucher's grant names.</summary>
    /// <returns><c>null</c> when the pay key made no such grant.</returns>
    public static Ed25519PublicKey? SignerOf(VoucherMessage? voucher, CellHash channel, Ed25519PublicKey payKey) => voucher?.Grant switch
    {
        null => payKey,
        { } message => TryReadGrant(message, channel, out SignedGrant? grant) && grant.Verify(channel, payKey) ? grant.SessionKey : null,
    };

    /// <summary>Up to which total a granted key may sign; 0 of a grant that cannot be read.</summary>
    public static ulong CapOf(Grant grant) =>
        grant.Statement.Length == GrantStatement.Size ? BinaryPrimitives.ReadUInt64BigEndian(grant.Statement.Span[68..]) : 0;

    private static bool TryReadGrant(Grant message, CellHash channel, [NotNullWhen(true)] out SignedGrant? grant)
    {
        ReadOnlySpan<byte> statement = message.Statement.Span;
        grant = null;
        if (statement.Length != GrantStatement.Size || message.Signature.Length != Ed25519.SignatureSize)
        {
            return false;
        }

        // The statement is what would be signed for these fields, or it is not read at all.
        GrantStatement read = new(channel, new Ed25519PublicKey(statement[36..68]), BinaryPrimitives.ReadUInt64BigEndian(statement[68..]));
        if (!statement.SequenceEqual(read.ToBytes()))
        {
            return false;
        }

        grant = new SignedGrant(read.SessionKey, read.Cap, message.Signature.ToByteArray());
        return true;
    }
}
