using System.Globalization;

namespace Cocoon.Node.Payments;

/// <summary>A payment that was not made, as what happened and what to type next; the same words on every face.</summary>
internal static class MoneyWords
{
    /// <summary>The year 9999.</summary>
    private const long MaxTime = 253_402_300_799;

    /// <returns>What happened, and what to do; the exception's own message is why.</returns>
    public static (string What, string? Fix) Of(PaymentException exception) => exception.Code switch
    {
        PaymentErrorCode.Funds when exception.Shortfall is { } missing => (
            "there is not enough money",
            $"Send at least {Ton(missing.Needed - missing.Available)} TON to {missing.Wallet.ToFriendly(bounceable: false)} and type it again; 'cocoon wallet balance' shows when it has arrived."),
        PaymentErrorCode.Funds => ("there is not enough money", "See 'cocoon wallet balance' and 'cocoon channels'."),
        PaymentErrorCode.Limit => ("a spend limit was reached", "Wait, or start the client with a higher --limit-… option ('cocoon client --help')."),
        PaymentErrorCode.Busy => ("the channel is busy", "Try again when an answer has ended."),
        PaymentErrorCode.Chain => ("the chain did not do its part", "See 'cocoon status'; open channels go on working meanwhile."),
        PaymentErrorCode.Terms => ("the terms are not acceptable", "Use another provider ('cocoon offers')."),
        PaymentErrorCode.Provider => ("the provider did not agree", "Try again, or end the channel alone: 'cocoon channels close CHANNEL --alone'."),
        PaymentErrorCode.State => ("the channel is not in a state for this", "See 'cocoon channels'."),
        _ => ("the wallet cannot do this", "See 'cocoon wallet show'."),
    };

    /// <summary>Unix seconds, such as chain time, as people read them.</summary>
    public static string Time(long unixSeconds) => unixSeconds is < 0 or > MaxTime
        ? unixSeconds.ToString(CultureInfo.InvariantCulture)
        : DateTimeOffset.FromUnixTimeSeconds(unixSeconds).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>nanoTON as TON with all its digits.</summary>
    public static string Ton(ulong nanoton) => (nanoton / 1_000_000_000m).ToString("0.#########", CultureInfo.InvariantCulture);
}
