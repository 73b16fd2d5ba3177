using Cocoon.Protocol.Cryptography;

namespace Cocoon.Protocol.Contracts;

/// <summary>A voucher with its signature, and the grant when a session key signed. Money for the payee: not to be logged.</summary>
internal sealed record SignedVoucher(VoucherStatement Statement, byte[] Signature, SignedGrant? Grant = null)
{
    /// <summary>Whether the channel would accept it: right key, or granted key within its cap.</summary>
    /// <remarks>The pay key itself was judged once, when the channel was verified (<see cref="ChannelContract.Verify"/>).</remarks>
    public bool Verify(Ed25519PublicKey payKey)
    {
        if (Grant is null)
        {
            return Statement.Verify(payKey, Signature);
        }

        return Statement.Total <= Grant.Cap
            && Grant.Verify(Statement.Channel, payKey)
            && Statement.Verify(Grant.SessionKey, Signature);
    }

    public override string ToString() => $"voucher of {Statement.Channel}";
}
