using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Protocol.Cryptography;

namespace Cocoon.Tests.Benchmarks;

/// <summary>Verb <c>money-bench-memory</c>: how much the resident memory of one provider process grows by 1,000 open channels. One JSON line.</summary>
/// <remarks>A process of its own, so that nothing else that a benchmark holds is counted. No collection is forced: a provider's is not either.</remarks>
internal static class ChannelMemoryTool
{
    public const string Verb = "money-bench-memory";

    private const int Channels = 1_000;
    private const int VouchersPerChannel = 3;

    /// <summary>Enough that what the first channels load (code, SQLite, libsodium) is there before the measurement.</summary>
    private const int WarmUp = 20;

    public static async Task<int> RunAsync(TextWriter output)
    {
        await using BenchLedger bench = new();
        for (ulong i = 0; i < WarmUp; i++)
        {
            await OpenAsync(bench, i);
        }

        double before = ResidentMebibytes();
        for (ulong i = WarmUp; i < WarmUp + Channels; i++)
        {
            await OpenAsync(bench, i);
        }

        double after = ResidentMebibytes();
        if (bench.Ledger.Channels.Count != WarmUp + Channels)
        {
            throw new InvalidOperationException($"{bench.Ledger.Channels.Count} channels are open, not {WarmUp + Channels}.");
        }

        output.WriteLine(new JsonObject
        {
            ["figure"] = "MiB resident for 1,000 open channels",
            ["value"] = Math.Round(after - before, 2),
            ["how"] = string.Create(
                CultureInfo.InvariantCulture,
                $"{before:0.0} MiB with {WarmUp} channels, {after:0.0} MiB with {WarmUp + Channels}, {VouchersPerChannel} vouchers and a running session each; the test's chain is in the same process"),
        }.ToJsonString());
        return 0;
    }

    /// <summary>A channel as a client uses it: verified, vouched, two sessions served and one running.</summary>
    private static async Task OpenAsync(BenchLedger bench, ulong number)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        ChannelAccount account = bench.Open(key, number);
        ProviderChannel channel = await bench.AcceptAsync(account);
        for (ulong n = 1; n <= VouchersPerChannel; n++)
        {
            SessionId session = new((number * VouchersPerChannel) + n);
            await BenchLedger.HoldAsync(channel, BenchLedger.Voucher(account, key, n, new SessionAllocation(session, 1_000)), CancellationToken.None);
            if (channel.TryReserveSession(session, 1_000) is not ReservationOutcome.Reserved)
            {
                throw new InvalidOperationException("A paid session was declined.");
            }

            if (n < VouchersPerChannel)
            {
                await channel.EndSessionAsync(session, 1_000, CancellationToken.None);
            }
        }
    }

    private static double ResidentMebibytes() => Environment.WorkingSet / 1048576.0;
}
