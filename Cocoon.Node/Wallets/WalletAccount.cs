using Cocoon.Node.Payments;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;
using Cocoon.Protocol.Ton.Wallets;

namespace Cocoon.Node.Wallets;

/// <summary>The wallet in use: its balance, and the one sender that spends from it.</summary>
/// <remarks>Thread-safe. The sender runs from <see cref="Start"/> to disposal; what was queued and not sent goes on at the next start.</remarks>
internal sealed class WalletAccount : IChainWallet, IAsyncDisposable
{
    private const int MaxAttempts = 100;

    private readonly CancellationTokenSource _stopping = new();
    private readonly WalletKey _wallet;
    private readonly ITonClient _client;
    private readonly IOutboxStore _store;
    private readonly WalletSender _sender;
    private readonly WalletSenderOptions _options;
    private Task? _running;

    public WalletAccount(
        WalletKey wallet, ITonClient client, IOutboxStore store, WalletSenderOptions options, TimeProvider time, ILogger<WalletAccount> logger)
    {
        _wallet = wallet;
        _client = client;
        _store = store;
        _options = options;
        _sender = new WalletSender(wallet.Contract, wallet.Key, client, store, options, time, logger);
    }

    public TonAddress Address => _wallet.Address;

    public Ed25519PrivateKey Key => _wallet.Key;

    public ulong FeeReserve => _options.FeeReserve;

    public void Start() => _running ??= _sender.RunAsync(_stopping.Token);

    public async Task<ulong> GetBalanceAsync(CancellationToken cancellationToken) =>
        (await _client.GetAccountAsync(Address, cancellationToken)).Balance;

    /// <summary>What these messages would cost in one external, by the chain's own prices.</summary>
    /// <exception cref="TonException">The chain did not answer.</exception>
    public async Task<SendPreview> PreviewAsync(IReadOnlyList<InternalMessage> messages, CancellationToken cancellationToken)
    {
        TonAccount account = await _client.GetAccountAsync(Address, cancellationToken);
        FeeSchedule prices = await FeeSchedule.LoadAsync(_client, cancellationToken);

        // Valid until 1970: a draft for counting its cells, which no wallet would take.
        Cell draft = _wallet.Contract.CreateExternal(
            _wallet.Key, uint.MaxValue, validUntil: 0,
            [.. messages.Select(message => new WalletTransfer(message.ToCell(), SendMode.PayFeesSeparately | SendMode.IgnoreErrors))],
            deploy: !account.IsActive).ToCell();
        return new SendPreview(
            Address, messages.Aggregate(0UL, (sum, message) => checked(sum + message.Value)), OperationCost.Fees(prices, draft, messages), account.Balance, FeeReserve);
    }

    public async Task<IReadOnlyList<SendOutcome>> SendAsync(IReadOnlyList<PaymentIntent> intents, CancellationToken cancellationToken)
    {
        if (_running is null)
        {
            throw new InvalidOperationException("The wallet is not started.");
        }

        // The sender takes what waits when it is woken, so they share an external.
        List<string> keys = [];
        foreach (PaymentIntent intent in intents)
        {
            string key = await NextKeyAsync(intent.Name, cancellationToken);
            keys.Add(key);
            await _store.EnqueueAsync(Address, new OutboxRequest(key, intent.Message.ToCell(), intent.All ? SendMode.CarryAllBalance : SendMode.PayFeesSeparately), cancellationToken);
        }

        _sender.Wake();
        List<SendOutcome> outcomes = [];
        foreach (string key in keys)
        {
            outcomes.Add(await _sender.WaitAsync(key, cancellationToken));
        }

        return outcomes;
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        if (_running is not null)
        {
            await _running.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        _wallet.Dispose();
        _stopping.Dispose();
    }

    /// <summary>
    /// An intention that failed on the chain may be tried again under the next number; one that is waiting, under way or done keeps its key.
    /// One that the wallet could not pay for keeps it too, however often. One that failed again and again keeps the last: its outcome is told
    /// again, so that those beside it go on.
    /// </summary>
    private async Task<string> NextKeyAsync(string name, CancellationToken cancellationToken)
    {
        for (int attempt = 1; attempt < MaxAttempts; attempt++)
        {
            string key = $"{name}#{attempt}";
            SendOutcome? outcome = await _store.GetOutcomeAsync(Address, key, cancellationToken);
            if (outcome is null or { Result: SendResult.Delivered or SendResult.SentUnconfirmed } or { WasGivenUp: true })
            {
                return key;
            }
        }

        return $"{name}#{MaxAttempts}";
    }
}
