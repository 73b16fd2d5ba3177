using Cocoon.Node.Discovery;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Peers;

/// <summary>A provider's newer offer is its word that it lives where it says: what failed there is tried again soon, not minutes later.</summary>
internal sealed class OfferedAddresses(PeerNetwork network, OfferBook book) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        book.Changed += OnOffer;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        book.Changed -= OnOffer;
        return Task.CompletedTask;
    }

    private void OnOffer(VerifiedOffer offer)
    {
        if (!offer.IsWithdrawal)
        {
            network.Host.RenewAddresses(offer.Peer, offer.Addresses);
        }
    }
}
