using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>A channel's data cell.</summary>
/// <param name="Opened">Whether the first <c>open</c> went through. An account can be active and not open.</param>
/// <param name="Claimed">Nanotons paid out so far, cumulative.</param>
/// <param name="CloseAt">Chain time from which anybody may finish the close; 0 = not closing.</param>
/// <param name="Terms">As in the data cell; its <see cref="ChannelTerms.ExpiresAt"/> is the present one, which <c>extend</c> moves.</param>
internal sealed record ChannelState(bool Opened, ulong Claimed, uint CloseAt, ChannelTerms Terms)
{
    public bool IsClosing => CloseAt != 0;

    public uint ExpiresAt => Terms.ExpiresAt;

    /// <exception cref="TonException">Not a channel's layout.</exception>
    public static ChannelState Read(Cell data)
    {
        CellSlice root = data.BeginParse();
        bool opened = root.LoadBit();
        ulong claimed = root.LoadCoins64();
        uint closeAt = root.LoadUInt32();
        uint expiresAt = root.LoadUInt32();
        Ed25519PublicKey payKey = new(root.LoadBytes(Ed25519PublicKey.Size));
        TonAddress payout = root.LoadRequiredAddress();
        CellSlice terms = root.LoadReference().BeginParse();
        root.RequireEnd();
        TonAddress client = terms.LoadRequiredAddress();
        Ed25519PublicKey providerKey = new(terms.LoadBytes(Ed25519PublicKey.Size));
        uint challenge = terms.LoadUInt32();
        uint openBefore = terms.LoadUInt32();
        int globalId = terms.LoadInt32();
        ulong salt = terms.LoadUInt64();
        terms.RequireEnd();
        return new ChannelState(
            opened, claimed, closeAt,
            new ChannelTerms(client, payKey, payout, providerKey, challenge, openBefore, expiresAt, globalId, salt));
    }
}
