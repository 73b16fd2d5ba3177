using Cocoon.Node.Discovery;
using Cocoon.Node.Payments;
using Cocoon.Node.PrivacyRelay;
using Cocoon.Node.Storage;
using Cocoon.Node.Wallets;
using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Tests.Node.Storage;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Payments;

/// <summary>Client and provider with their own data directories and wallets, on a devnet, joined by a network in memory.</summary>
internal abstract class PaymentChainFixture : DevnetFixture
{
    /// <param name="client">Its way to the chain; <c>null</c>: the devnet's own.</param>
    protected async Task<PaymentNode> NewNodeAsync(MemoryNetwork network, ulong nanotons, ITonClient? client = null, SpendOptions? spending = null)
    {
        PaymentNode node = Own(new PaymentNode(network, client ?? Devnet.Client, ownChain: client is null, spending ?? new SpendOptions()));
        if (nanotons > 0)
        {
            await Devnet.FaucetAsync(node.Address, nanotons);
        }

        return node;
    }

    protected MemoryNetwork NewNetwork() => Own(new MemoryNetwork());

    protected Task<ulong> BalanceAsync(PaymentNode node) => node.Wallet.GetBalanceAsync(Patience);

    /// <summary>Sum of what every transaction did to the account; equal to its balance when nothing is missed.</summary>
    protected async Task<IReadOnlyList<TonTransaction>> HistoryAsync(TonAddress address) => await Devnet.Client.GetTransactionsAsync(address, 50, null, Patience);

    protected static async Task<ClientSession> SpendAsync(ClientChannel channel, ProviderChannel provider, int session, ulong due)
    {
        ClientSession paying = channel.BeginSession(new SessionId((UInt128)session));
        VoucherOutcome outcome = await provider.AcceptVoucherAsync(await paying.VouchAsync(due, Patience), Patience);
        Assert.That(outcome, Is.InstanceOf<VoucherOutcome.Held>());
        Assert.That(provider.TryReserveSession(paying.Id, step: Math.Min(due, 1_000)), Is.InstanceOf<ReservationOutcome.Reserved>());
        await paying.EndAsync(due, Patience);
        await provider.EndSessionAsync(paying.Id, due, Patience);
        return paying;
    }

    /// <summary>Everything of one node that has to do with money.</summary>
    protected sealed class PaymentNode : IAsyncDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly ITonClient _client;
        private readonly SpendOptions _spending;
        private DataDirectory _data = null!;
        private CocoonDatabase _database = null!;

        public PaymentNode(MemoryNetwork network, ITonClient client, bool ownChain, SpendOptions spending)
        {
            Host = network.AddHost();
            _client = client;
            _spending = spending;
            Chain = new TonChannelChain(client, ownChain);
            Open(create: true);
        }

        public MemoryHost Host { get; }

        public TonChannelChain Chain { get; }

        public WalletAccount Wallet { get; private set; } = null!;

        public ClientChannels Channels { get; private set; } = null!;

        public ChannelCloser Closer { get; private set; } = null!;

        public ChannelKeeper Keeper { get; private set; } = null!;

        public ProviderLedger Ledger { get; private set; } = null!;

        public ClaimQueue Claims { get; private set; } = null!;

        public ProviderWatcher Watcher { get; private set; } = null!;

        public CocoonDatabase Database => _database;

        public TonAddress Address => Wallet.Address;

        public ProviderTerms Terms => new(
            Host.LocalPeer, Address, Ledger.Identity.ProviderKey.PublicKey, ChannelContract.CodeHash, 3_600, 20_000_000, Networks.DevnetGlobalId);

        public ChannelRestorer NewRestorer() => new(Channels, Chain, Wallet, new PayClient(new DirectStreams(Host), new OfferBook(TimeProvider.System), TimeProvider.System), NullLogger<ChannelRestorer>.Instance);

        /// <summary>Closes everything and opens it again from the data directory.</summary>
        public async Task RestartAsync(bool forgetDatabase = false)
        {
            await CloseAsync();
            if (forgetDatabase)
            {
                foreach (string file in Directory.GetFiles(_directory.Path, "cocoon.db*"))
                {
                    File.Delete(file);
                }
            }

            Open(create: false);
        }

        public async ValueTask DisposeAsync()
        {
            await CloseAsync();
            _directory.Dispose();
        }

        private void Open(bool create)
        {
            _data = DataDirectory.Open(_directory.Path);
            _database = CocoonDatabase.Open(_data.DatabasePath);
            WalletStore wallets = new(_data, TimeProvider.System);
            WalletKey key = create ? wallets.Create(Networks.Devnet, null).Wallet : wallets.Open(Networks.Devnet, null);
            Wallet = new WalletAccount(
                key, _client, new SqliteOutboxStore(_database),
                new WalletSenderOptions
                {
                    PollInterval = TimeSpan.FromMilliseconds(20),
                    FirstResend = TimeSpan.FromMilliseconds(100),
                    ChainBackOff = TimeSpan.FromMilliseconds(100),
                    MaxChainBackOff = TimeSpan.FromMilliseconds(500),
                },
                TimeProvider.System, NullLogger<WalletAccount>.Instance);
            Wallet.Start();
            Channels = new ClientChannels(
                new ClientChannelStore(_database), Chain, Wallet, _spending, TimeProvider.System, NullLogger<ClientChannels>.Instance);
            Closer = new ChannelCloser(
                Channels, Chain, Wallet, new PayClient(new DirectStreams(Host), new OfferBook(TimeProvider.System), TimeProvider.System), TimeProvider.System, NullLogger<ChannelCloser>.Instance);
            Keeper = new ChannelKeeper(Channels, Closer, Chain, NullLogger<ChannelKeeper>.Instance);
            ProviderChannelStore store = new(_database);
            Ledger = new ProviderLedger(
                store, Chain, new ProviderIdentity(Wallet.Address, key.DeriveProviderKey(), Networks.DevnetGlobalId),
                new ProviderOptions { ClaimThreshold = 50_000_000 }, TimeProvider.System, NullLogger<ProviderLedger>.Instance);
            Claims = new ClaimQueue(Ledger, store, Wallet, NullLogger<ClaimQueue>.Instance);
            Watcher = new ProviderWatcher(Ledger, Chain, Claims, TimeProvider.System, NullLogger<ProviderWatcher>.Instance);
            Host.Unhandle(PayProtocol.Id);
            new PayHandler(Ledger, Host.LocalPeer, TimeProvider.System, NullLogger<PayHandler>.Instance).Register(Host);
        }

        private async Task CloseAsync()
        {
            Watcher.Dispose();
            await Channels.DisposeAsync();
            await Ledger.DisposeAsync();
            Ledger.Identity.ProviderKey.Dispose();
            await Wallet.DisposeAsync();
            await _database.DisposeAsync();
            _data.Dispose();
        }
    }
}
