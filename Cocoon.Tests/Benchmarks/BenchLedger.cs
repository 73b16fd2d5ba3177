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

/// <summary>A provider's books on a real file, and channels on a chain in this process.</summary>
internal sealed class BenchLedger : IAsyncDisposable
{
    private const ulong Deposit = 1_000_000_000;

    private readonly TemporaryDirectory _directory = new();
    private readonly FakeChannelChain _chain = new();
    private readonly ProviderIdentity _identity = new(new TonAddress(0, ProviderFixture.Hash(1)), Ed25519PrivateKey.Generate(), Networks.DevnetGlobalId);

    public BenchLedger()
    {
        Database = CocoonDatabase.Open(_directory.File("provider.db"));
        Ledger = new ProviderLedger(new ProviderChannelStore(Database), _chain, _identity, new ProviderOptions(), TimeProvider.System, NullLogger<ProviderLedger>.Instance);
    }

    public CocoonDatabase Database { get; }

    public ProviderLedger Ledger { get; }

    /// <summary>An open channel, not yet met by the provider.</summary>
    public ChannelAccount Open(Ed25519PrivateKey payKey, ulong salt) => _chain.Open(
        new ChannelTerms(
            new TonAddress(0, ProviderFixture.Hash(2)), payKey.PublicKey, _identity.Payout, _identity.ProviderKey.PublicKey, 3_600, _chain.Now + 60, _chain.Now + 604_800,
            _identity.GlobalId, salt),
        Deposit);

    public async Task<ProviderChannel> AcceptAsync(ChannelAccount account) =>
        ((ChannelAcceptance.Accepted)await Ledger.VerifyAsync(account.Channel, CancellationToken.None)).Channel;

    /// <summary>The channel's <paramref name="number"/>th voucher, 1,000 nanoTON above the one before.</summary>
    public static VoucherMessage Voucher(ChannelAccount account, Ed25519PrivateKey payKey, ulong number, params SessionAllocation[] allocations)
    {
        VoucherStatement statement = new(account.Channel, number * 1_000, number);
        return new SignedVoucher(statement, statement.Sign(payKey)).ToMessage(allocations);
    }

    /// <exception cref="InvalidOperationException">The voucher was not held as something new.</exception>
    public static async Task HoldAsync(ProviderChannel channel, VoucherMessage voucher, CancellationToken cancellationToken)
    {
        if (await channel.AcceptVoucherAsync(voucher, cancellationToken) is not VoucherOutcome.Held { Grew: true })
        {
            throw new InvalidOperationException("A good voucher was not held.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Ledger.DisposeAsync();
        await Database.DisposeAsync();
        _identity.ProviderKey.Dispose();
        _directory.Dispose();
    }
}
