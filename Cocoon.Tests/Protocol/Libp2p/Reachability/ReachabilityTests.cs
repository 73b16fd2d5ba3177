using Cocoon.Protocol.Libp2p;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p.Reachability;

/// <summary>Tests of several real hosts, which end in the reverse order of their start: who is relayed before its relay.</summary>
public abstract class ReachabilityTests
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<Libp2pHost> _hosts = [];

    protected IReadOnlyList<Libp2pHost> Hosts => _hosts;

    [TearDown]
    public async Task StopAsync()
    {
        foreach (Libp2pHost host in Enumerable.Reverse(_hosts))
        {
            await host.DisposeAsync();
        }

        _hosts.Clear();
    }

    protected async Task<Libp2pHost> AddAsync(Task<Libp2pHost> starting)
    {
        Libp2pHost host = await starting;
        _hosts.Add(host);
        return host;
    }
}
