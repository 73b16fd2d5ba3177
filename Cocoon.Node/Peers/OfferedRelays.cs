using Cocoon.Node.Discovery;
using Cocoon.Protocol.Multiformats;
using Cocoon.Protocol.Offers;

namespace Cocoon.Node.Peers;

/// <summary>Tells the network of the relays that offers name: whoever serves a model may relay too.</summary>
internal sealed class OfferedRelays(PeerNetwork network, OfferBook book) : IHostedService
{
    private const int MaxRelays = 16;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        network.KnownRelays = Find;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private IEnumerable<Multiaddr> Find() => book.All()
        .Where(offer => offer.Offer.Relay)
        .DistinctBy(offer => offer.Peer)
        .Take(MaxRelays)
        .SelectMany(DirectAddresses);

    private static IEnumerable<Multiaddr> DirectAddresses(VerifiedOffer offer) =>
        offer.Addresses.Where(address => !address.IsRelayed).Take(1).Select(address => address.WithPeer(offer.Peer));
}
