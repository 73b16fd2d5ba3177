using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;
using Cocoon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Protocol.Ton.Chain;

/// <summary>People with wallets on a devnet.</summary>
internal abstract class ChainFixture : DevnetFixture
{
    /// <summary>Somebody with a fresh mnemonic and a funded wallet that is not deployed yet.</summary>
    protected async Task<Person> NewPersonAsync(ulong nanotons, ITonClient? client = null, IOutboxStore? store = null)
    {
        Ed25519PrivateKey key = Mnemonic.Generate().DeriveKey();
        WalletV5R1 wallet = new(key.PublicKey, TonNetwork.Devnet.GlobalId);
        if (nanotons > 0)
        {
            await Devnet.FaucetAsync(wallet.Address, nanotons);
        }

        return Own(new Person(key, wallet, client ?? Devnet.Client, store ?? new InMemoryOutboxStore()));
    }

    /// <summary>The same wallet and queue in a new process, so to speak.</summary>
    protected Person Restart(Person person, ITonClient? client = null) => Own(new Person(person.Key, person.Wallet, client ?? Devnet.Client, person.Store));

    /// <summary>All transactions of an account, newest first.</summary>
    /// <param name="from">The last one, for an account that is gone.</param>
    protected async Task<List<TonTransaction>> HistoryAsync(TonAddress address, TransactionId? from = null)
    {
        List<TonTransaction> all = [];
        TransactionId? next = from;
        while (true)
        {
            IReadOnlyList<TonTransaction> page = await Devnet.Client.GetTransactionsAsync(address, 20, next, Patience);
            all.AddRange(page);
            if (page.Count == 0 || page[^1].Previous.LogicalTime == 0)
            {
                return all;
            }

            next = page[^1].Previous;
        }
    }

    protected sealed class Person : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Person(Ed25519PrivateKey key, WalletContract wallet, ITonClient client, IOutboxStore store)
        {
            Key = key;
            Wallet = wallet;
            Store = store;
            Sender = new WalletSender(
                wallet, key, client, store, new WalletSenderOptions { PollInterval = TimeSpan.FromMilliseconds(20), FirstResend = TimeSpan.FromMilliseconds(50), ChainBackOff = TimeSpan.FromMilliseconds(20) },
                TimeProvider.System, NullLogger.Instance);
            _running = Sender.RunAsync(_stop.Token);
        }

        public Ed25519PrivateKey Key { get; }

        public WalletContract Wallet { get; }

        public IOutboxStore Store { get; }

        public WalletSender Sender { get; }

        public TonAddress Address => Wallet.Address;

        public Task<SendOutcome> SendAsync(string key, InternalMessage message) => Sender.SendAsync(key, message, Patience);

        public async ValueTask DisposeAsync()
        {
            if (_running.IsCompleted)
            {
                return;
            }

            await _stop.CancelAsync();
            await _running.ContinueWith(_ => { }, TaskScheduler.Default);
            Assert.That(_running.IsCanceled, _running.Exception?.ToString());
            _stop.Dispose();
        }
    }
}
