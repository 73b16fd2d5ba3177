using Cocoon.Protocol.Sessions.Proto;

namespace Cocoon.Node.Serving;

/// <summary>The published word of each decline reason.</summary>
internal static class DeclineWords
{
    public static string Of(DeclineReason reason) => reason switch
    {
        DeclineReason.DeclineVersion => "version",
        DeclineReason.DeclineModel => "model",
        DeclineReason.DeclineSlots => "slots",
        DeclineReason.DeclineRate => "rate",
        DeclineReason.DeclineQuote => "quote",
        DeclineReason.DeclineChannel => "channel",
        DeclineReason.DeclineFunds => "funds",
        DeclineReason.DeclineVoucher => "voucher",
        DeclineReason.DeclineChain => "chain",
        DeclineReason.DeclineEnclave => "enclave",
        DeclineReason.DeclineMalformed => "malformed",
        DeclineReason.DeclineDraining => "draining",
        DeclineReason.DeclineClosing => "closing",
        DeclineReason.DeclineExpired => "expired",
        DeclineReason.DeclineUnpaid => "unpaid",
        DeclineReason.DeclineLost => "lost",
        _ => "unknown",
    };
}
