using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Payments;

/// <summary>The wallet as the payment engine uses it.</summary>
internal interface IChainWallet
{
    TonAddress Address { get; }

    /// <summary>The root of the channels' hot keys; never signs a voucher itself.</summary>
    Ed25519PrivateKey Key { get; }

    /// <summary>nanoTON that stay on the wallet for its own fees.</summary>
    ulong FeeReserve { get; }

    /// <summary>nanoTON, as of the newest block the endpoint shows.</summary>
    /// <exception cref="TonException">The chain did not answer.</exception>
    Task<ulong> GetBalanceAsync(CancellationToken cancellationToken);

    /// <summary>Sends the messages, in as few externals as the wallet allows, and returns what became of each, in their order.</summary>
    /// <remarks>An intention that was carried out before, also in an earlier run of the node, is not carried out again: its record is returned.</remarks>
    Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken);
}

/// <summary>Something the wallet shall do once.</summary>
/// <param name="Name">The intention, for example <c>open:…</c>; repeated under the same name only after it failed.</param>
/// <param name="All">With everything that the wallet holds: the value of the message does not count, and fees come out of it.</param>
internal sealed record PaymentIntent(string Name, InternalMessage Message, bool All = false);
