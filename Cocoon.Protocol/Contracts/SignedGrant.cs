using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>A grant as the channel takes it along with a voucher (TL-B <c>signed_grant$_</c>).</summary>
internal sealed record SignedGrant(Ed25519PublicKey SessionKey, ulong Cap, byte[] Signature) : ICellContent
{
    public void StoreTo(CellBuilder builder) =>
        builder.StoreBytes(SessionKey.Bytes).StoreUInt(Cap, 64).StoreBytes(Signature);

    /// <summary>Whether the channel's pay key made this grant, and the session key is one that the chain and we agree about.</summary>
    public bool Verify(CellHash channel, Ed25519PublicKey payKey) =>
        SessionKey.IsPrimeOrder() && new GrantStatement(channel, SessionKey, Cap).Verify(payKey, Signature);
}
