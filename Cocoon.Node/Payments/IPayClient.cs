using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Node.Payments;

/// <summary>What a client asks a provider outside of sessions; the network edge of the payment engine.</summary>
internal interface IPayClient
{
    /// <summary>The highest own voucher that the provider holds, and what it says is owed.</summary>
    /// <exception cref="IOException">Not reached, or no usable answer.</exception>
    Task<PayResponse> GetStateAsync(PeerId provider, CellHash channel, Ed25519PrivateKey payKey, CancellationToken cancellationToken);

    /// <summary>Asks for consent to close at the voucher's total.</summary>
    /// <exception cref="IOException">Not reached, or no usable answer.</exception>
    Task<PayResponse> RequestCloseAsync(PeerId provider, CellHash channel, VoucherMessage voucher, CancellationToken cancellationToken);
}
