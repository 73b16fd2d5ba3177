using Cocoon.Protocol.Ton;

namespace Cocoon.Node.Payments;

/// <summary>A payment that was not made; nothing left that is not in the books. The message says what and why.</summary>
internal sealed class PaymentException(PaymentErrorCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public PaymentErrorCode Code { get; } = code;

    /// <summary>Of <see cref="PaymentErrorCode.Funds"/>, where the wallet holds too little: how much is missing, and where it should go.</summary>
    public Shortfall? Shortfall { get; init; }
}

/// <param name="Needed">nanoTON, with what is kept for fees.</param>
/// <param name="Available">nanoTON on the wallet.</param>
internal sealed record Shortfall(ulong Needed, ulong Available, TonAddress Wallet);

internal enum PaymentErrorCode
{
    /// <summary>The provider's terms are outside of what the owner allows.</summary>
    Terms,

    /// <summary>The owner's limit per request, day, hour or provider.</summary>
    Limit,

    /// <summary>As many sessions run on the channel as it may have; one more may when one of them ends.</summary>
    Busy,

    /// <summary>The wallet or the channel holds too little.</summary>
    Funds,

    /// <summary>The chain did not answer, or did not do what it was asked.</summary>
    Chain,

    /// <summary>The provider was not reached, or refused.</summary>
    Provider,

    /// <summary>The channel is not in a state for this.</summary>
    State,

    /// <summary>No wallet, a wrong passphrase, or a wallet of another network.</summary>
    Wallet,
}
