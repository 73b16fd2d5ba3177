using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Protocol.Contracts;

/// <summary>A provider's optional stake: address and messages.</summary>
internal sealed class ProviderBondContract
{
    /// <summary>Attached to messages; what is not used comes back.</summary>
    public const ulong GasValue = 20_000_000;

    public ProviderBondContract(TonAddress owner, Ed25519PublicKey nodeKey, BondParams parameters)
    {
        StateInit = new StateInit(ContractCode.ProviderBond, new BondState(owner, nodeKey, 0, false, 0, default, parameters).ToCell());
        Address = StateInit.AddressIn(0);
    }

    public static CellHash CodeHash => ContractCode.ProviderBond.Hash;

    public StateInit StateInit { get; }

    public TonAddress Address { get; }

    /// <exception cref="TonException">Not a bond's layout.</exception>
    public static BondState ParseState(Cell data) => BondState.Read(data);

    /// <summary>Deploys with a stake, or adds to it.</summary>
    public InternalMessage AddStake(ulong value, ulong queryId, bool deploy) =>
        new(Address, value, Bounce: !deploy, Body(OpCodes.BondAddStake, queryId).Build()) { StateInit = deploy ? StateInit : null };

    public InternalMessage Publish(uint metaSeq, CellHash metaHash, ulong queryId) =>
        Message(Body(OpCodes.BondPublish, queryId).StoreUInt(metaSeq, 32).StoreHash(metaHash));

    public InternalMessage Unbond(ulong queryId) => Message(Body(OpCodes.BondUnbond, queryId));

    public InternalMessage Rebond(ulong queryId) => Message(Body(OpCodes.BondRebond, queryId));

    public InternalMessage Withdraw(ulong queryId) => Message(Body(OpCodes.BondWithdraw, queryId));

    /// <summary>By anybody with two contradicting statements: half of the stake to the sender, half burned.</summary>
    public InternalMessage Slash(
        BondStatement first, ReadOnlySpan<byte> firstSignature, BondStatement second, ReadOnlySpan<byte> secondSignature, ulong queryId)
    {
        if (first.Bond != Address.Id || second.Bond != Address.Id || first.Kind != second.Kind || first.Slot != second.Slot || first.Digest == second.Digest)
        {
            throw new ArgumentException("The statements do not contradict each other.", nameof(second));
        }

        return Message(Body(OpCodes.BondSlash, queryId).StoreUInt((byte)first.Kind, 8).StoreHash(first.Slot)
            .StoreReference(new CellBuilder().StoreHash(first.Digest).StoreBytes(firstSignature).Build())
            .StoreReference(new CellBuilder().StoreHash(second.Digest).StoreBytes(secondSignature).Build()));
    }

    private static CellBuilder Body(uint operation, ulong queryId) => new CellBuilder().StoreUInt(operation, 32).StoreUInt(queryId, 64);

    private InternalMessage Message(CellBuilder body) => new(Address, GasValue, Bounce: true, body.Build());
}
