using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;

namespace Cocoon.Node.Payments;

/// <summary>What operations cost in gas and messages, as measured on the TVM (<c>Contracts/gas.json</c>); with a <see cref="FeeSchedule"/> that is money.</summary>
/// <param name="Gas">Of the contract that receives the operation.</param>
/// <param name="Messages">That it sends on, each of which is received and charged once more.</param>
internal readonly record struct OperationCost(ulong Gas, int Messages)
{
    /// <summary>Wallet v5r1: the first message, and each further one (255 of them use 187,057).</summary>
    internal const ulong WalletGas = 4_939, WalletGasPerMessage = 720;

    /// <summary>A wallet that receives: below the flat limit of 100 on most, some use a little more.</summary>
    private const ulong ReceiptGas = 300;

    /// <summary>Rent that falls due with a transaction, and what the table's rounding leaves: 2 %.</summary>
    private const ulong MarginPercent = 2;

    public static OperationCost Of(InternalMessage message)
    {
        uint operation = message.Body is { IsExotic: false, BitLength: >= 32 } body ? (uint)body.BeginParse().LoadUInt(32) : 0;
        return operation switch
        {
            OpCodes.ChannelOpen => new(2_421, 0),
            OpCodes.ChannelTopUp => new(541, 0),
            OpCodes.ChannelClaim => new(6_706, 2),
            OpCodes.ChannelStartClose => new(4_631, 1),
            OpCodes.ChannelFinishClose => new(3_506, 1),
            OpCodes.ChannelCoopClose => new(7_102, 2),
            OpCodes.ChannelExtend => new(4_923, 1),
            OpCodes.BondAddStake => new(508, 0),
            OpCodes.BondPublish => new(4_065, 1),
            OpCodes.BondUnbond => new(4_294, 1),
            OpCodes.BondRebond => new(4_055, 1),
            OpCodes.BondWithdraw => new(2_756, 1),
            OpCodes.BondSlash => new(6_475, 2),
            OpCodes.RegistryPropose => new(6_465, 1),
            OpCodes.RegistryCancel => new(5_935, 1),
            OpCodes.RegistryApply => new(13_307, 1),
            OpCodes.RegistryRevoke => new(11_621, 1),
            _ => new(ReceiptGas, 0),
        };
    }

    /// <summary>nanoTON that the network takes, all in all, when a wallet sends these messages in one external.</summary>
    /// <param name="external">As it would be sent: its cells are paid for on the way in.</param>
    public static ulong Fees(FeeSchedule prices, Cell external, IReadOnlyList<InternalMessage> messages)
    {
        ulong sum = prices.Forward(external) + prices.Gas(WalletGas + (WalletGasPerMessage * (ulong)Math.Max(0, messages.Count - 1)));
        foreach (InternalMessage message in messages)
        {
            OperationCost cost = Of(message);
            sum = checked(sum + prices.Forward(message.ToCell()) + prices.Gas(cost.Gas) + ((ulong)cost.Messages * (prices.LumpPrice + prices.Gas(ReceiptGas))));
        }

        return checked(sum + (sum * MarginPercent / 100));
    }
}
