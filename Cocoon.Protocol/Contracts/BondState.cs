using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Contracts;

/// <summary>What never changes in a bond.</summary>
/// <param name="UnbondPeriod">Seconds between <c>unbond</c> and <c>withdraw</c>.</param>
/// <param name="MinStake">Nanotons the provider means to keep at stake; the registry's parameter at deployment.</param>
internal sealed record BondParams(TonAddress Registry, uint UnbondPeriod, ulong MinStake, int GlobalId);

/// <summary>A bond's data cell. The stake is the account's balance.</summary>
/// <param name="UnlockAt">Chain time from which it may be withdrawn; 0 = bonded.</param>
internal sealed record BondState(
    TonAddress Owner, Ed25519PublicKey NodeKey, uint UnlockAt, bool Slashed, uint MetaSeq, CellHash MetaHash, BondParams Params)
{
    public bool IsBonded => UnlockAt == 0 && !Slashed;

    /// <exception cref="TonException">Not a bond's layout.</exception>
    public static BondState Read(Cell data)
    {
        CellSlice root = data.BeginParse();
        TonAddress owner = root.LoadRequiredAddress();
        Ed25519PublicKey nodeKey = new(root.LoadBytes(Ed25519PublicKey.Size));
        uint unlockAt = root.LoadUInt32();
        bool slashed = root.LoadBit();
        uint metaSeq = root.LoadUInt32();
        CellHash metaHash = root.LoadHash();
        CellSlice fixedPart = root.LoadReference().BeginParse();
        root.RequireEnd();
        BondParams parameters = new(fixedPart.LoadRequiredAddress(), fixedPart.LoadUInt32(), fixedPart.LoadCoins64(), fixedPart.LoadInt32());
        fixedPart.RequireEnd();
        return new BondState(owner, nodeKey, unlockAt, slashed, metaSeq, metaHash, parameters);
    }

    internal Cell ToCell() =>
        new CellBuilder()
            .StoreAddress(Owner).StoreBytes(NodeKey.Bytes).StoreUInt(UnlockAt, 32).StoreBit(Slashed).StoreUInt(MetaSeq, 32).StoreHash(MetaHash)
            .StoreReference(new CellBuilder()
                .StoreAddress(Params.Registry).StoreUInt(Params.UnbondPeriod, 32).StoreCoins(Params.MinStake).StoreInt(Params.GlobalId, 32).Build())
            .Build();
}
