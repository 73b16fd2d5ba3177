using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Cocoon.Protocol.Libp2p;
using Cocoon.Protocol.Libp2p.Protocols.Perf;
using Cocoon.Tests.Support;

namespace Cocoon.Tests.Benchmarks;

/// <summary>What the garbage-collected heap is asked for while frames go from one host to another over TCP, Noise and yamux, both ends together.</summary>
internal static class FrameAllocationBench
{
    private const int Rounds = 4;
    private const int FullBody = 65_506;
    private const ulong Bulk = 512UL << 20, Brief = 128UL << 20;
    private const int SmallSize = 64, Smalls = 20_000;

    public static async Task<JsonObject> RunAsync()
    {
        await using Libp2pHost a = await TestHosts.StartAsync(servePerf: true), b = await TestHosts.StartAsync(servePerf: true);
        a.AddAddresses(b.LocalPeer, b.Addresses, TimeSpan.FromHours(1));

        // What every round allocates belongs to the frames; what one round does, to pools, windows and code that were still growing.
        // What a stream takes at its beginning, until its window is as large as it gets, and at its end is no frame's: a shorter one tells it.
        long full = long.MaxValue, stream = long.MaxValue, small = long.MaxValue;
        TimeSpan processor = TimeSpan.MaxValue;
        for (int round = 0; round < Rounds; round++)
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            full = Math.Min(full, await TransferAsync(a, b, Bulk));
            TimeSpan spent = Environment.CpuUsage.TotalTime - before;
            processor = spent < processor ? spent : processor;
            stream = Math.Min(stream, await TransferAsync(a, b, Brief));
            small = Math.Min(small, await EchoAsync(a, b, Smalls));
        }

        return new JsonObject
        {
            ["processor_seconds_a_gib"] = processor.TotalSeconds * (1 << 30) / (2.0 * Bulk),
            ["full_frames"] = 2 * Bulk / FullBody,
            ["bytes_a_full_frame"] = Math.Max(0, full - stream) / (2.0 * (Bulk - Brief) / FullBody),
            ["bytes_a_stream"] = stream,
            ["small_frames"] = 2 * Smalls,
            ["bytes_a_small_frame"] = small / (2.0 * Smalls),
        };
    }

    private static async Task<long> TransferAsync(Libp2pHost a, Libp2pHost b, ulong bytes)
    {
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [PerfProtocol.Id], CancellationToken.None);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        await PerfProtocol.MeasureAsync(stream, bytes, bytes, TimeProvider.System, CancellationToken.None);
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }

    private static async Task<long> EchoAsync(Libp2pHost a, Libp2pHost b, int times)
    {
        await using IPeerStream stream = await a.OpenStreamAsync(b.LocalPeer, [TestHosts.EchoProtocol], CancellationToken.None);
        byte[] message = new byte[SmallSize];
        await TradeAsync(stream, message);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < times; i++)
        {
            await TradeAsync(stream, message);
        }

        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        await stream.CloseWriteAsync(CancellationToken.None);
        return allocated;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask TradeAsync(IPeerStream stream, byte[] message)
    {
        await stream.WriteAsync(message, CancellationToken.None);
        for (int at = 0; at < message.Length;)
        {
            int read = await stream.ReadAsync(message.AsMemory(at), CancellationToken.None);
            at += read > 0 ? read : throw new EndOfStreamException("The echo ended.");
        }
    }
}
