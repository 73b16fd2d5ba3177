using Cocoon.Node.Payments;
using Cocoon.Node.Storage;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Payments.Proto;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cocoon.Tests.Node.Payments;

/// <summary>A provider with its books on disk, a client's key, and a chain that the test controls.</summary>
internal sealed class ProviderFixture : IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private CocoonDatabase _database;

    public ProviderFixture()
    {
        Identity = new ProviderIdentity(new TonAddress(0, Hash(1)), Ed25519PrivateKey.Generate(), Networks.DevnetGlobalId);
        _database = CocoonDatabase.Open(_directory.File("provider.db"));
        Ledger = NewLedger();
    }

    public ManualTimeProvider Time { get; } = new();

    public FakeChannelChain Chain { get; } = new();

    public ProviderIdentity Identity { get; }

    public Ed25519PrivateKey PayKey { get; } = Ed25519PrivateKey.Generate();

    public ProviderOptions Options { get; init; } = new();

    public ProviderLedger Ledger { get; private set; }

    public ProviderChannelStore Store => new(_database);

    public CocoonDatabase Database => _database;

    public ChannelTerms Terms => new(
        new TonAddress(0, Hash(2)), PayKey.PublicKey, Identity.Payout, Identity.ProviderKey.PublicKey, Challenge: 3_600,
        Chain.Now + 60, Chain.Now + 604_800, Networks.DevnetGlobalId, Salt: 7);

    public static CellHash Hash(byte fill) => new(Enumerable.Repeat(fill, 32).ToArray());

    /// <summary>An accepted channel with 1 TON to spend, or less.</summary>
    public async Task<ProviderChannel> AcceptAsync(ulong spendable = 1_000_000_000)
    {
        ChannelAccount account = Chain.Open(Terms, spendable);
        return await Ledger.VerifyAsync(account.Channel, CancellationToken.None) is ChannelAcceptance.Accepted accepted
            ? accepted.Channel
            : throw new InvalidOperationException("The fixture's channel was refused.");
    }

    public VoucherMessage Voucher(CellHash channel, ulong total, Ed25519PrivateKey? key = null, ulong nonce = 1)
    {
        VoucherStatement statement = new(channel, total, nonce);
        return new SignedVoucher(statement, statement.Sign(key ?? PayKey)).ToMessage();
    }

    /// <summary>As after a kill: a new ledger over what is on the disk.</summary>
    public async Task RestartAsync()
    {
        await Ledger.DisposeAsync();
        await _database.DisposeAsync();
        _database = CocoonDatabase.Open(_directory.File("provider.db"));
        Ledger = NewLedger();
    }

    public async ValueTask DisposeAsync()
    {
        await Ledger.DisposeAsync();
        await _database.DisposeAsync();
        Identity.ProviderKey.Dispose();
        PayKey.Dispose();
        _directory.Dispose();
    }

    private ProviderLedger NewLedger() => new(Store, Chain, Identity, Options, Time, NullLogger<ProviderLedger>.Instance);
}
