using System.Collections.Concurrent;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.PrivacyRelay;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Protocol.PrivacyRelay;

/// <summary>A client, two relays and a target that echoes, in memory.</summary>
internal sealed class CircuitNetwork : IAsyncDisposable
{
    public const string Echo = "/echo/1.0.0";

    private readonly MemoryNetwork _network = new();
    private readonly List<RelayService> _services = [];

    public CircuitNetwork(RelayLimits? limits = null, TimeProvider? time = null, bool secondForwards = true)
    {
        limits ??= new RelayLimits();
        (Client, First, Second, Target) = (_network.AddHost(), _network.AddHost(), _network.AddHost(), _network.AddHost());
        Client.AddAddresses(First.LocalPeer, [First.Address], TimeSpan.FromHours(1));
        FirstRelay = Serve(First, limits, forwards: true, time);
        SecondRelay = Serve(Second, limits, secondForwards, time);
        TargetRelay = Serve(Target, limits, forwards: false, time);
        TargetRelay.Serve(Echo, async (stream, cancellationToken) =>
        {
            Seen.Add(stream.RemotePeer);
            byte[] buffer = new byte[4096];
            while (await stream.ReadAsync(buffer, cancellationToken) is var read and > 0)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        });
    }

    public MemoryHost Client { get; }

    public MemoryHost First { get; }

    public MemoryHost Second { get; }

    public MemoryHost Target { get; }

    public RelayService FirstRelay { get; }

    public RelayService SecondRelay { get; }

    public RelayService TargetRelay { get; }

    /// <summary>Remote peers that the target's handler saw.</summary>
    public ConcurrentBag<PeerId> Seen { get; } = [];

    public static CircuitHop Hop(MemoryHost host) => new(host.LocalPeer, [host.Address]);

    public Task<IPeerStream> OpenAsync(CancellationToken cancellationToken, params MemoryHost[] relays) =>
        Circuit.OpenAsync(Client, [.. relays.Select(Hop)], Hop(Target), Echo, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _network.DisposeAsync();
        _services.ForEach(s => s.Dispose());
    }

    private RelayService Serve(MemoryHost host, RelayLimits limits, bool forwards, TimeProvider? time)
    {
        RelayService service = new(host, host.Key, limits, forwards, time ?? TimeProvider.System, NullLogger<RelayService>.Instance);
        service.Start();
        _services.Add(service);
        return service;
    }
}
