using System.Globalization;
using System.Text.Json.Nodes;
using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Tests.Node.Payments;
using Cocoon.Tests.Node.Storage;
using Microsoft.Extensions.Logging.Abstractions;

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
        using TemporaryDirectory directory = new();
        FakeChannelChain chain = new();
        using Ed25519PrivateKey providerKey = Ed25519PrivateKey.Generate();
        ProviderIdentity identity = new(new TonAddress(0, ProviderFixture.Hash(1)), providerKey, Networks.DevnetGlobalId);
        await using CocoonDatabase database = CocoonDatabase.Open(directory.File("provider.db"));
        await using ProviderLedger ledger = new(new ProviderChannelStore(database), chain, identity, new ProviderOptions(), TimeProvider.System, NullLogger<ProviderLedger>.Instance);

        for (ulong i = 0; i < WarmUp; i++)
        {
            await OpenAsync(ledger, chain, identity, i);
        }

        double before = ResidentMebibytes();
        for (ulong i = WarmUp; i < WarmUp + Channels; i++)
        {
            await OpenAsync(ledger, chain, identity, i);
        }

        double after = ResidentMebibytes();
        if (ledger.Channels.Count != WarmUp + Channels)
        {
            throw new InvalidOperationException($"{ledger.Channels.Count} channels are open, not {WarmUp + Channels}.");
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
    private static async Task OpenAsync(ProviderLedger ledger, FakeChannelChain chain, ProviderIdentity identity, ulong number)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        ChannelAccount account = chain.Open(
            new ChannelTerms(
                new TonAddress(0, ProviderFixture.Hash(2)), key.PublicKey, identity.Payout, identity.ProviderKey.PublicKey, 3_600, chain.Now + 60, chain.Now + 604_800,
                identity.GlobalId, number),
            1_000_000_000);
        ProviderChannel channel = ((ChannelAcceptance.Accepted)await ledger.VerifyAsync(account.Channel, CancellationToken.None)).Channel;
        for (ulong n = 1; n <= VouchersPerChannel; n++)
        {
            SessionId session = new(number * VouchersPerChannel + n);
            VoucherStatement statement = new(account.Channel, n * 1_000, n);
            SignedVoucher voucher = new(statement, statement.Sign(key));
            if (await channel.AcceptVoucherAsync(voucher.ToMessage([new SessionAllocation(session, 1_000)]), CancellationToken.None) is not VoucherOutcome.Held { Grew: true }
                || channel.TryReserveSession(session, 1_000) is not ReservationOutcome.Reserved)
            {
                throw new InvalidOperationException("A good voucher was not held.");
            }

            if (n < VouchersPerChannel)
            {
                await channel.EndSessionAsync(session, 1_000, CancellationToken.None);
            }
        }
    }

    private static double ResidentMebibytes() => Environment.WorkingSet / 1048576.0;
}
