using Cocoon.Protocol.Identity;

namespace Cocoon.Node.Discovery;

/// <summary>Provider records of the DHT.</summary>
internal interface IProviderLookup
{
    /// <summary>Providers of a multihash key as the lookup meets them; their addresses are known to the host afterwards.</summary>
    IAsyncEnumerable<PeerId> FindProvidersAsync(byte[] key, CancellationToken cancellationToken);

    /// <summary>Announces this node as a provider; repeated by the DHT until it stops.</summary>
    /// <returns>Peers that took the record.</returns>
    Task<int> ProvideAsync(byte[] key, CancellationToken cancellationToken);
}
