using Cocoon.Node.Hosting;
using Cocoon.Protocol.Multiformats;

namespace Cocoon.Node.Peers;

/// <summary>Addresses to join by: the configured ones and, united with them, what other sources know.</summary>
internal sealed class BootstrapList(NodeOptions options, IEnumerable<IBootstrapSource> sources)
{
    private readonly Multiaddr[] _configured = [.. options.Bootstrap.Select(Multiaddr.Parse)];

    public async Task<IReadOnlyList<Multiaddr>> GetAsync(CancellationToken cancellationToken)
    {
        List<Multiaddr> all = [.. _configured];
        foreach (IBootstrapSource source in sources)
        {
            all.AddRange(await source.GetAsync(cancellationToken));
        }

        return [.. all.Distinct()];
    }
}

/// <summary>A further source of bootstrap addresses, such as the registry contract. Never throws for an unreachable source: it has none then.</summary>
internal interface IBootstrapSource
{
    Task<IReadOnlyList<Multiaddr>> GetAsync(CancellationToken cancellationToken);
}
