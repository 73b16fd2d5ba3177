using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Node.Storage;
using Microsoft.Extensions.Logging.Abstractions;

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
        using TemporaryDirectory directory = new();
        FakeChannelChain chain = new();
        using Ed25519PrivateKey providerKey = Ed25519PrivateKey.Generate();
        ProviderIdentity identity = new(new TonAddress(0, ProviderFixture.Hash(1)), providerKey, Networks.DevnetGlobalId);
        Ed25519PrivateKey[] keys = [.. Enumerable.Range(0, Channels).Select(_ => Ed25519PrivateKey.Generate())];
        ChannelAccount[] accounts = [.. keys.Select((key, i) => chain.Open(
            new ChannelTerms(
                new TonAddress(0, ProviderFixture.Hash(2)), key.PublicKey, identity.Payout, providerKey.PublicKey, 3_600, chain.Now + 60, chain.Now + 604_800,
                Networks.DevnetGlobalId, (ulong)i),
            1_000_000_000))];
        VoucherMessage[][] vouchers = [.. keys.Select((key, i) => Enumerable.Range(1, VouchersPerChannel).Select(n =>
        {
            VoucherStatement statement = new(accounts[i].Channel, (ulong)n * 1_000, (ulong)n);
            return new SignedVoucher(statement, statement.Sign(key)).ToMessage();
        }).ToArray())];

        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("provider.db"));
        long before = Settled();
        await using ProviderLedger ledger = new(new ProviderChannelStore(database), chain, identity, new ProviderOptions(), TimeProvider.System, NullLogger<ProviderLedger>.Instance);
        ProviderChannel[] channels = new ProviderChannel[Channels];
        for (int i = 0; i < Channels; i++)
        {
            channels[i] = ((ChannelAcceptance.Accepted)await ledger.VerifyAsync(accounts[i].Channel, CancellationToken.None)).Channel;
        }

        long commits = database.Commits;
        Stopwatch watch = Stopwatch.StartNew();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, Channels), new ParallelOptions { MaxDegreeOfParallelism = Concurrent },
            async (i, cancellationToken) =>
            {
                foreach (VoucherMessage voucher in vouchers[i])
                {
                    if (await channels[i].AcceptVoucherAsync(voucher, cancellationToken) is not VoucherOutcome.Held { Grew: true })
                    {
                        throw new InvalidOperationException("A good voucher was not held.");
                    }
                }
            });
        double seconds = watch.Elapsed.TotalSeconds;
        const int count = Channels * VouchersPerChannel;
        Write(output, "vouchers verified and durable per second", count / seconds, $"{count} vouchers on {Channels} channels by {Concurrent} clients at a time, {database.Commits - commits} commits, {seconds:0.0} s");
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
