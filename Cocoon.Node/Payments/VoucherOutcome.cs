using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Payments;

/// <summary>What became of a voucher; a closed set.</summary>
internal abstract record VoucherOutcome
{
    private VoucherOutcome()
    {
    }

    /// <summary>Durable, or nothing new: a lower or equal total changes nothing.</summary>
    /// <param name="HighestTotal">nanoTON, durable here.</param>
    internal sealed record Held(ulong HighestTotal, bool Grew) : VoucherOutcome;

    internal sealed record Refused(VoucherFault Fault, string Detail) : VoucherOutcome
    {
        public DeclineReason Reason => Fault switch
        {
            VoucherFault.Malformed => DeclineReason.DeclineMalformed,
            VoucherFault.Overdraft => DeclineReason.DeclineFunds,
            VoucherFault.Closing => DeclineReason.DeclineClosing,
            _ => DeclineReason.DeclineVoucher,
        };
    }
}

internal enum VoucherFault
{
    /// <summary>Not the bytes of a statement.</summary>
    Malformed,

    /// <summary>Signed for another channel; another network's channel is another channel.</summary>
    OtherChannel,

    /// <summary>The signature is not the pay key's, nor that of a session key it granted.</summary>
    Signature,

    /// <summary>A grant for another channel, above its cap, or for a key that the chain and we could judge differently.</summary>
    Grant,

    /// <summary>More than the contract can pay.</summary>
    Overdraft,

    /// <summary>An ack for a lower total has left: this voucher could no longer be paid.</summary>
    Closing,
}
