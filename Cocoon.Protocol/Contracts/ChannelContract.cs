using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>One payment channel, client to provider: address, messages, and the check that an account really is this channel.</summary>
/// <remarks>Layouts in <c>Channel.tolk</c> and <c>storage.tolk</c>. Every message carries gas money; what is not used comes back.</remarks>
internal sealed class ChannelContract
{
    /// <summary>Nanotons that stay on a channel for rent until it closes.</summary>
    public const ulong Reserve = 10_000_000;

    /// <summary>The least that the contract accepts with a message other than open and top-up.</summary>
    public const ulong MinValue = 10_000_000;

    /// <summary>Attached by default: twice the least, and twenty times what the dearest operation uses.</summary>
    public const ulong GasValue = 20_000_000;

    /// <summary>What opening may cost beside the deposit; the rest stays spendable.</summary>
    public const ulong OpenGas = 15_000_000;

    public const uint MaxOpenWindow = 86_400;

    public ChannelContract(ChannelTerms terms)
    {
        Terms = terms;
        StateInit = new StateInit(ContractCode.Channel, terms.InitialData());
        Address = StateInit.AddressIn(0);
    }

    public static CellHash CodeHash => ContractCode.Channel.Hash;

    /// <summary>What a channel says in a payout or refund to have paid in all, nanotons; <c>null</c> of another message.</summary>
    /// <exception cref="TonException">Not as the contract writes it.</exception>
    public static ulong? PaidInAll(TonMessage message)
    {
        if (message is not { Kind: TonMessageKind.Internal, Bounced: false, OpCode: OpCodes.ChannelPaidOut or OpCodes.ChannelRefunded })
        {
            return null;
        }

        CellSlice body = message.Body.BeginParse();
        body.Skip(32 + 64);
        return body.LoadCoins64();
    }

    public ChannelTerms Terms { get; }

    public StateInit StateInit { get; }

    public TonAddress Address { get; }

    /// <summary>What vouchers can bring, of a channel with this balance. The balance is the book; no other number is.</summary>
    public static ulong Spendable(ulong balance) => balance > Reserve ? balance - Reserve : 0;

    /// <exception cref="TonException">Not a channel's layout.</exception>
    public static ChannelState ParseState(Cell data) => ChannelState.Read(data);

    /// <summary>Nanotons to send along with <see cref="Open"/> so that at least <paramref name="spendable"/> can be spent.</summary>
    public static ulong ValueToOpen(ulong spendable) => checked(spendable + Reserve + OpenGas);

    /// <summary>
    /// Whether the account is this channel, open and usable: address recomputed from code and terms, code and every term compared,
    /// keys of prime order.
    /// </summary>
    public ChannelVerdict Verify(TonAccount account)
    {
        if (account.Address != Address)
        {
            return new ChannelVerdict.Rejected("wrong_address", "the address does not follow from the channel's terms");
        }

        if (!Terms.PayKey.IsPrimeOrder() || !Terms.ProviderKey.IsPrimeOrder())
        {
            return new ChannelVerdict.Rejected("weak_key", "a key of the channel is not a point of the prime-order group");
        }

        if (!account.IsActive || account.Code is null || account.Data is null)
        {
            return new ChannelVerdict.Rejected("not_deployed", "the channel's account is not active");
        }

        if (account.Code.Hash != CodeHash)
        {
            return new ChannelVerdict.Rejected("wrong_code", "the account runs another code");
        }

        ChannelState state;
        try
        {
            state = ChannelState.Read(account.Data);
        }
        catch (TonException fault)
        {
            return new ChannelVerdict.Rejected("wrong_data", $"the account's data is not a channel's: {fault.Message}");
        }

        if (state.Terms with { ExpiresAt = Terms.ExpiresAt } != Terms || !IsLaterExpiry(state.ExpiresAt))
        {
            return new ChannelVerdict.Rejected("wrong_terms", "the account's terms are not the ones agreed on");
        }

        if (!state.Opened)
        {
            return new ChannelVerdict.Rejected("not_open", "the account is deployed, but the channel was not opened");
        }

        return new ChannelVerdict.Open(state, Spendable(account.Balance));
    }

    /// <summary>Deploys and opens; sent again, it tops up.</summary>
    /// <param name="value">Everything that goes to the channel, see <see cref="ValueToOpen"/>.</param>
    /// <remarks>Bounceable, so that a refused opening brings the deposit back.</remarks>
    public InternalMessage Open(ulong value, ulong queryId) =>
        new(Address, value, Bounce: true, Body(OpCodes.ChannelOpen, queryId).Build()) { StateInit = StateInit };

    public InternalMessage TopUp(ulong value, ulong queryId) =>
        new(Address, value, Bounce: true, Body(OpCodes.ChannelTopUp, queryId).Build());

    /// <summary>By anybody: the money goes to the payout address, the change to the sender.</summary>
    public InternalMessage Claim(SignedVoucher voucher, ulong queryId, ulong value = GasValue) =>
        new(Address, value, Bounce: true, VoucherBody(OpCodes.ChannelClaim, voucher, queryId)
            .StoreMaybeReference(voucher.Grant?.ToCell()).Build());

    /// <summary>By the client.</summary>
    public InternalMessage StartClose(ulong queryId, ulong value = GasValue) =>
        new(Address, value, Bounce: true, Body(OpCodes.ChannelStartClose, queryId).Build());

    /// <summary>By anybody, after the challenge or the expiry.</summary>
    public InternalMessage FinishClose(ulong queryId, ulong value = GasValue) =>
        new(Address, value, Bounce: true, Body(OpCodes.ChannelFinishClose, queryId).Build());

    /// <summary>By anybody with both signatures; what is due to the provider, the rest and the change to the client, at once.</summary>
    /// <param name="voucher">The final one. Its total must be the acknowledged one.</param>
    /// <param name="ack">The provider's signature over <see cref="CloseAckStatement"/>.</param>
    public InternalMessage CoopClose(SignedVoucher voucher, ReadOnlySpan<byte> ack, ulong queryId, ulong value = GasValue) =>
        new(Address, value, Bounce: true, VoucherBody(OpCodes.ChannelCoopClose, voucher, queryId)
            .StoreReference(new CellBuilder().StoreBytes(ack).Build())
            .StoreMaybeReference(voucher.Grant?.ToCell()).Build());

    /// <summary>A cooperative close when nothing was spent, or nothing beyond what was claimed: no voucher is looked at.</summary>
    public InternalMessage CoopClose(ulong total, ReadOnlySpan<byte> ack, ulong queryId, ulong value = GasValue) =>
        CoopClose(new SignedVoucher(new VoucherStatement(Address.Id, total, 0), new byte[64]), ack, queryId, value);

    /// <summary>By the client, only to a later time.</summary>
    public InternalMessage Extend(uint expiresAt, ulong queryId, ulong value = GasValue) =>
        new(Address, value, Bounce: true, Body(OpCodes.ChannelExtend, queryId).StoreUInt(expiresAt, 32).Build());

    private static CellBuilder Body(uint operation, ulong queryId) => new CellBuilder().StoreUInt(operation, 32).StoreUInt(queryId, 64);

    private bool IsLaterExpiry(uint expiresAt) => Terms.ExpiresAt == 0 ? expiresAt == 0 : expiresAt >= Terms.ExpiresAt;

    private CellBuilder VoucherBody(uint operation, SignedVoucher voucher, ulong queryId) =>
        voucher.Statement.Channel == Address.Id
            ? Body(operation, queryId).StoreUInt(voucher.Statement.Total, 64).StoreUInt(voucher.Statement.Nonce, 64).StoreBytes(voucher.Signature)
            : throw new ArgumentException("The voucher is of another channel.", nameof(voucher));
}
