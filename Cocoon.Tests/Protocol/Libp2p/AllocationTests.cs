using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Tests.Support;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Libp2p;

/// <summary>The path of a byte from writer to reader does not allocate.</summary>
[NonParallelizable]
public sealed class AllocationTests
{
    [Test, CancelAfter(60_000)]
    public async Task Transfer_ManyMegabytes_AllocatesNothingPerFrame(CancellationToken cancellationToken)
    {
        // The pool holds 16 MiB of segments; a window below that cannot outgrow it however slow the reader is.
        Libp2pLimits limits = new() { MaxStreamWindow = 4 * 1024 * 1024 };
        await using Libp2pHost a = await TestHosts.StartAsync(limits), b = await TestHosts.StartAsync(limits, servePerf: true);
        await a.ConnectAsync(b.FullAddress(), cancellationToken);
        await TransferAsync(128);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await TransferAsync(64);
        long small = GC.GetTotalAllocatedBytes(precise: true) - before;
        before = GC.GetTotalAllocatedBytes(precise: true);
        await TransferAsync(256);
        long large = GC.GetTotalAllocatedBytes(precise: true) - before;
        // 192 MiB more are 3,000 more frames of 64 KiB and at least as many wake-ups; the pools may add some arrays.
        TestContext.Out.WriteLine($"64 MiB: {small} bytes, 256 MiB: {large} bytes");
        Assert.That(large - small, Is.LessThan(3_000 * 100));

        async Task TransferAsync(int mebibytes)
        {
            await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [PerfProtocol.Id], cancellationToken);
            await PerfProtocol.MeasureAsync(stream, (ulong)mebibytes << 20, 0, TimeProvider.System, cancellationToken);
        }
    }

    [Test, CancelAfter(60_000)]
    public async Task Connections_Idle_HoldLittleMemory(CancellationToken cancellationToken)
    {
        const int Count = 100;
        await using Libp2pHost listener = await TestHosts.StartAsync();
        Libp2pHost[] dialers = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ => TestHosts.StartAsync()));
        long before = GC.GetTotalMemory(forceFullCollection: true);
        foreach (Libp2pHost dialer in dialers)
        {
            await dialer.ConnectAsync(listener.FullAddress(), cancellationToken);
            await dialer.PingAsync(listener.LocalPeer, cancellationToken);
        }

        long perConnection = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;
        TestContext.Out.WriteLine($"{perConnection} bytes a connection, both ends");
        Assert.That(listener.Connections, Has.Count.EqualTo(Count));
        Assert.That(perConnection, Is.LessThan(120_000), "both ends are in this process");
        foreach (Libp2pHost dialer in dialers)
        {
            await dialer.DisposeAsync();
        }
    }
}
