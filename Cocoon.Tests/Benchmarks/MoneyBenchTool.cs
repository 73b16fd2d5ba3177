using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Verb <c>money-bench</c>: vouchers verified and made durable per second, and what 1,000 open channels weigh. One JSON line per figure.</summary>
internal static class MoneyBenchTool
{
    public const string Verb = "money-bench";

    private const int Channels = 1_000;
    private const int VouchersPerChannel = 30;
    private const int Concurrent = 64;

    public static async Task<int> RunAsync(TextWriter output)
    {
        await using BenchLedger bench = new();
        Ed25519PrivateKey[] keys = [.. Enumerable.Range(0, Channels).Select(_ => Ed25519PrivateKey.Generate())];
        ChannelAccount[] accounts = [.. keys.Select((key, i) => bench.Open(key, (ulong)i))];
        VoucherMessage[][] vouchers = [.. keys.Select((key, i) =>
            Enumerable.Range(1, VouchersPerChannel).Select(n => BenchLedger.Voucher(accounts[i], key, (ulong)n)).ToArray())];
        long before = Settled();
        ProviderChannel[] channels = new ProviderChannel[Channels];
        for (int i = 0; i < Channels; i++)
        {
            channels[i] = await bench.AcceptAsync(accounts[i]);
        }

        long commits = bench.Database.Commits;
        Stopwatch watch = Stopwatch.StartNew();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Channels), new ParallelOptions { MaxDegreeOfParallelism = Concurrent },
            async (i, cancellationToken) =>
            {
                foreach (VoucherMessage voucher in vouchers[i])
                {
                    await BenchLedger.HoldAsync(channels[i], voucher, cancellationToken);
                }
            });
        double seconds = watch.Elapsed.TotalSeconds;
        const int count = Channels * VouchersPerChannel;
        Write(output, "vouchers verified and durable per second", count / seconds, $"{count} vouchers on {Channels} channels by {Concurrent} clients at a time, {bench.Database.Commits - commits} commits, {seconds:0.0} s");
        Write(output, "MiB managed for 1,000 open channels", (Settled() - before) / 1048576.0, "managed memory of the ledger with the last voucher of each, after a full collection");
        GC.KeepAlive(channels);
        return 0;
    }

    private static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static void Write(TextWriter output, string figure, double value, string how) =>
        output.WriteLine(new JsonObject { ["figure"] = figure, ["value"] = Math.Round(value, 2), ["how"] = string.Create(CultureInfo.InvariantCulture, $"{how}") }.ToJsonString());
}
