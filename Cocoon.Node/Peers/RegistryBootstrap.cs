using Cocoon.Node.Registry;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Peers;

/// <summary>The registry's bootstrap list: united with the configured addresses, never in their place.</summary>
internal sealed class RegistryBootstrap(RegistryReader registry) : IBootstrapSource
{
    private const int MaxAddresses = 64;

    public async Task<IReadOnlyList<Multiaddr>> GetAsync(CancellationToken cancellationToken)
    {
        RegistryView? view = await registry.ReadAsync(cancellationToken);
        List<Multiaddr> addresses = [];
        foreach (string text in view?.State.Bootstrap.Take(MaxAddresses) ?? [])
        {
            if (Multiaddr.TryParse(text, out Multiaddr? address) && address.Peer is not null)
            {
                addresses.Add(address);
            }
        }

        return addresses;
    }
}
