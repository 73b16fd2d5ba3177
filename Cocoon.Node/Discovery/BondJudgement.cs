using Cocoon.Node.Registry;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Discovery;

/// <summary>What a stake must be to count for its provider, and how much of the chain is read for that.</summary>
internal static class BondJudgement
{
    /// <summary>The 10 TON with which <c>cocoon bond</c> makes one, less what gas and years of rent take of them.</summary>
    public const ulong MinStakeNanoton = 9_500_000_000;

    /// <summary>The registry's default parameter, with which <c>cocoon bond</c> makes one.</summary>
    public const uint MinUnbondSeconds = RegistryDefaults.UnbondPeriod;

    /// <summary>Twenty readings a minute leave most of a public endpoint's one a second to money. Own choice.</summary>
    public static readonly TimeSpan ReadInterval = TimeSpan.FromSeconds(3);

    /// <summary>Why the account is no stake of the peer's that counts, for a sentence; <c>null</c> when it is one.</summary>
    public static string? Fault(TonAccount account, Ed25519PublicKey peerKey, int globalId)
    {
        if (!account.IsActive || account.Data is null || account.Code?.Hash != ProviderBondContract.CodeHash)
        {
            return "there is no bond contract of this version at that address";
        }

        BondState state;
        try
        {
            state = ProviderBondContract.ParseState(account.Data);
        }
        catch (TonException)
        {
            // Anybody may deploy our code with data of his own.
            return "its data is not a bond's";
        }

        return !state.NodeKey.Bytes.SequenceEqual(peerKey.Bytes) ? "it was made for another peer id"
            : state.Params.GlobalId != globalId ? "it was made for another network"
            : new ProviderBondContract(state.Owner, state.NodeKey, state.Params).Address != account.Address ? "it did not begin as a bond"
            : state.Slashed ? "it was slashed"
            : state.UnlockAt != 0 ? "it is unbonding"
            : state.Params.UnbondPeriod < MinUnbondSeconds ? $"it can be withdrawn {state.Params.UnbondPeriod} s after unbonding begins, {MinUnbondSeconds} s are asked for"
            : account.Balance < MinStakeNanoton ? $"it holds {Payments.MoneyWords.Ton(account.Balance)} TON, {Payments.MoneyWords.Ton(MinStakeNanoton)} are asked for"
            : null;
    }
}
