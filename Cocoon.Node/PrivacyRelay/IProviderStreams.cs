using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.PrivacyRelay;

/// <summary>A stream to a provider, and who carries it.</summary>
/// <param name="Relays">In order from here; empty for a direct stream.</param>
internal sealed record ProviderStream(IPeerStream Stream, IReadOnlyList<PeerId> Relays);

/// <summary>How a client reaches providers: everything that names a request or a channel goes this way.</summary>
internal interface IProviderStreams
{
    /// <summary>Relays on every stream, whatever is asked for.</summary>
    int LeastRelays { get; }

    /// <param name="addresses">Where the provider's newest offer says it listens; hints.</param>
    /// <param name="relays">Privacy relays wanted at least; the client may be bound to more.</param>
    /// <exception cref="NoRelayException">There are not that many relays.</exception>
    /// <exception cref="IOException">The provider, or a relay after several tries, cannot be reached.</exception>
    ValueTask<ProviderStream> OpenAsync(
        PeerId provider, IReadOnlyList<Multiaddr> addresses, string protocol, int relays, CancellationToken cancellationToken);
}

/// <summary>Streams straight to the provider, which sees this node's address.</summary>
internal sealed class DirectStreams(ILibp2pHost host) : IProviderStreams
{
    public int LeastRelays => 0;

    public async ValueTask<ProviderStream> OpenAsync(
        PeerId provider, IReadOnlyList<Multiaddr> addresses, string protocol, int relays, CancellationToken cancellationToken)
    {
        host.AddAddresses(provider, addresses, Protocol.Offers.OfferLimits.TimeToLive);
        return new ProviderStream(await host.OpenStreamAsync(provider, [protocol], cancellationToken), []);
    }
}
