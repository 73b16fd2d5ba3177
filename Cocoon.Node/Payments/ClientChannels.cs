using Cocoon.Protocol.Contracts;
using Cocoon.Protocol.Cryptography;
using Cocoon.Protocol.Identity;
using Cocoon.Protocol.Ton;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.Messages;
using Cocoon.Protocol.Ton.Sending;

namespace Cocoon.Node.Payments;

/// <summary>The channels through which this node pays: opens them lazily, finds them again after a crash, and closes them.</summary>
/// <remarks>Thread-safe. One opening at a time per provider: callers that ask meanwhile get the same channel.</remarks>
internal sealed partial class ClientChannels : IAsyncDisposable
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly Dictionary<CellHash, ClientChannel> _channels = [];
    private readonly Dictionary<PeerId, Task<ClientChannel>> _opening = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly ClientChannelStore _store;
    private readonly IChannelChain _chain;
    private readonly IChainWallet _wallet;
    private readonly SpendOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ClientChannels> _logger;

    public ClientChannels(
        ClientChannelStore store, IChannelChain chain, IChainWallet wallet, SpendOptions options, TimeProvider time, ILogger<ClientChannels> logger)
    {
        _store = store;
        _chain = chain;
        _wallet = wallet;
        _options = options;
        _time = time;
        _logger = logger;
        foreach (ClientChannelRecord record in store.ListLive())
        {
            if (record.Client == wallet.Address)
            {
                _channels.Add(record.Channel, Materialize(record));
            }
        }
    }

    /// <summary>Opening, open and closing ones.</summary>
    public IReadOnlyList<ClientChannel> Channels
    {
        get
        {
            lock (_lock)
            {
                return [.. _channels.Values];
            }
        }
    }

    public ClientChannel? Find(CellHash channel)
    {
        lock (_lock)
        {
            return _channels.GetValueOrDefault(channel);
        }
    }

    /// <summary>An open channel to the provider with at least <paramref name="need"/> nanoTON to vouch, opened now when there is none.</summary>
    /// <exception cref="PaymentException">Terms, limits, funds or chain do not allow it.</exception>
    public async Task<ClientChannel> GetOrOpenAsync(ProviderTerms terms, ulong need, CancellationToken cancellationToken)
    {
        Task<ClientChannel> opening;
        lock (_lock)
        {
            if (FindUsable(terms, need) is { } usable)
            {
                return usable;
            }

            if (!_opening.TryGetValue(terms.Peer, out Task<ClientChannel>? started))
            {
                started = OpenAndForgetAsync(terms, need);
                _opening.Add(terms.Peer, started);
            }

            opening = started;
        }

        return await opening.WaitAsync(cancellationToken);
    }

    /// <summary>Brings every stored channel to what the chain says: after a start, and whenever the chain was away.</summary>
    /// <remarks>An unreachable chain leaves a channel as it was stored; what is open in the store can be vouched from within the known deposit.</remarks>
    public async Task RecoverAsync(CancellationToken cancellationToken)
    {
        foreach (ClientChannel channel in Channels)
        {
            try
            {
                await RefreshAsync(channel, cancellationToken);
            }
            catch (TonException failure)
            {
                Log.NotRefreshed(_logger, channel.Channel, failure.Message);
            }
        }
    }

    /// <summary>Reads one channel from the chain and moves it to the phase that follows.</summary>
    /// <exception cref="TonException">The chain did not answer usably; nothing changed.</exception>
    public async Task RefreshAsync(ClientChannel channel, CancellationToken cancellationToken)
    {
        ChannelAccount account = await _chain.ReadAsync(channel.Channel, cancellationToken);
        await channel.UpdateAsync(record => Follow(record, account), cancellationToken);
        if (channel.Phase is ChannelPhase.Closed or ChannelPhase.Failed)
        {
            Forget(channel);
        }
    }

    /// <summary>Adds to the deposit and returns when the chain shows it.</summary>
    /// <exception cref="PaymentException">Not open, or over the cap for this provider.</exception>
    public async Task TopUpAsync(ClientChannel channel, ulong amount, CancellationToken cancellationToken)
    {
        ClientChannelRecord record = channel.Record;
        if (record.State != ChannelPhase.Open)
        {
            throw new PaymentException(PaymentErrorCode.State, "Only an open channel can be topped up.");
        }

        CheckCap(channel.Peer, amount);
        ulong query = QueryId();
        await SendAsync(_wallet, new PaymentIntent($"top-up:{channel.Channel}:{query}", channel.Contract.TopUp(checked(amount + ChannelContract.OpenGas), query)), cancellationToken);
        await WaitAsync(channel, after => after.Deposit >= checked(record.Deposit + amount), cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Task[] opening;
        lock (_lock)
        {
            opening = [.. _opening.Values];
        }

        await _stopping.CancelAsync();
        await Task.WhenAll(opening).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        foreach (ClientChannel channel in Channels)
        {
            channel.Dispose();
        }

        _stopping.Dispose();
    }

    /// <summary>Takes in a channel that the chain showed and the store had lost.</summary>
    internal async Task<ClientChannel> TakeInAsync(ClientChannelRecord record, CancellationToken cancellationToken)
    {
        await _store.AddAsync(record, cancellationToken);
        ClientChannel channel = Materialize(record);
        lock (_lock)
        {
            _channels.Add(record.Channel, channel);
        }

        return channel;
    }

    internal void Forget(ClientChannel channel)
    {
        lock (_lock)
        {
            _channels.Remove(channel.Channel);
        }
    }

    /// <summary>Polls the chain until the channel's record satisfies the condition.</summary>
    /// <exception cref="PaymentException">Not within the time for openings.</exception>
    internal async Task WaitAsync(ClientChannel channel, Func<ClientChannelRecord, bool> condition, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(_options.OpenTimeout, _time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        TonException? last = null;
        try
        {
            while (true)
            {
                try
                {
                    await RefreshAsync(channel, linked.Token);
                    if (condition(channel.Record))
                    {
                        return;
                    }
                }
                catch (TonException failure)
                {
                    last = failure;
                }

                await Task.Delay(s_poll, _time, linked.Token);
            }
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PaymentException(
                PaymentErrorCode.Chain, $"The chain did not show the change within {_options.OpenTimeout.TotalSeconds:0} s; it is looked for again at the next start.", last);
        }
    }

    /// <exception cref="PaymentException">The message did not leave, or its receiver refused it.</exception>
    internal static async Task<SendOutcome> SendAsync(IChainWallet wallet, PaymentIntent intent, CancellationToken cancellationToken)
    {
        SendOutcome outcome = (await wallet.SendAsync([intent], cancellationToken))[0];
        return outcome.Result switch
        {
            SendResult.Delivered or SendResult.SentUnconfirmed => outcome,
            SendResult.NotSent => throw new PaymentException(PaymentErrorCode.Funds, outcome.Words),
            _ => throw new PaymentException(PaymentErrorCode.Chain, outcome.Words),
        };
    }

    internal static ulong QueryId() => ChannelTerms.RandomSalt() & long.MaxValue;

    /// <summary>What a reading of the account means for a channel in its present phase.</summary>
    internal static ClientChannelRecord Follow(ClientChannelRecord record, ChannelAccount account)
    {
        if (account.State is not { } state)
        {
            return record.State switch
            {
                // Sent and not arrived yet, as long as it still may.
                ChannelPhase.Opening => account.ChainTime > record.OpenBefore ? record with { State = ChannelPhase.Failed } : record,
                _ => record with { State = ChannelPhase.Closed },
            };
        }

        if (state.Terms with { ExpiresAt = record.ExpiresAt } != record.Terms)
        {
            throw new TonException(TonErrorCode.Malformed, "The endpoint shows other terms at the channel's address.");
        }

        record = record with { Claimed = Math.Max(record.Claimed, state.Claimed), CloseAt = state.CloseAt };
        return state switch
        {
            { CloseAt: not 0 } => record with { State = ChannelPhase.Closing },
            { Opened: false } when account.ChainTime > record.OpenBefore && account.Balance <= ChannelContract.MinValue => record with { State = ChannelPhase.Failed },
            { Opened: true } when record.CloseAck is null => record with { State = ChannelPhase.Open, Deposit = account.Capacity },
            _ => record,
        };
    }

    private ClientChannel? FindUsable(ProviderTerms terms, ulong need)
    {
        foreach (ClientChannel channel in _channels.Values)
        {
            ClientChannelRecord record = channel.Record;
            if (record.State == ChannelPhase.Open && record.Peer == terms.Peer && record.Payout == terms.Payout
                && record.ProviderKey.Equals(terms.ProviderKey) && record.Challenge >= terms.MinChallengeSeconds
                && channel.Spendable >= need && LivesLongEnough(record))
            {
                return channel;
            }
        }

        return null;
    }

    /// <summary>The provider stops serving two challenge periods before the expiry.</summary>
    private bool LivesLongEnough(ClientChannelRecord record) =>
        record.ExpiresAt == 0 || record.CreatedAt.AddSeconds(_options.LifetimeSeconds - (2.0 * record.Challenge)) > _time.GetUtcNow();

    private async Task<ClientChannel> OpenAndForgetAsync(ProviderTerms terms, ulong need)
    {
        await Task.Yield();
        try
        {
            return await OpenAsync(terms, need, _stopping.Token);
        }
        finally
        {
            lock (_lock)
            {
                _opening.Remove(terms.Peer);
            }
        }
    }

    private async Task<ClientChannel> OpenAsync(ProviderTerms terms, ulong need, CancellationToken cancellationToken)
    {
        ulong deposit = Math.Max(Math.Max(_options.Deposit, terms.MinDeposit), need);
        CheckTerms(terms);
        CheckCap(terms.Peer, deposit);
        uint now;
        try
        {
            now = await _chain.GetTimeAsync(cancellationToken);
        }
        catch (TonException failure)
        {
            throw new PaymentException(PaymentErrorCode.Chain, $"No channel can be opened while the chain is away: {failure.Message}", failure);
        }

        ulong salt = ChannelTerms.RandomSalt();
        Ed25519PrivateKey payKey = ChannelTerms.DerivePayKey(_wallet.Key, terms.ProviderKey, terms.GlobalId, salt);
        ChannelTerms agreed = new(
            _wallet.Address, payKey.PublicKey, terms.Payout, terms.ProviderKey, Math.Max(terms.MinChallengeSeconds, _options.MinChallengeSeconds),
            checked(now + _options.OpenWindowSeconds), checked(now + _options.LifetimeSeconds), terms.GlobalId, salt);
        ChannelContract contract = new(agreed);
        ClientChannel channel = new(_store, ClientChannelRecord.Of(agreed, terms.Peer, deposit, _time.GetUtcNow()), payKey, _options, _time);

        // Stored before it is sent: a crash in between leaves a channel that never opens, not money that nobody knows of.
        await _store.AddAsync(channel.Record, cancellationToken);
        lock (_lock)
        {
            _channels.Add(channel.Channel, channel);
        }

        await SendOpenAsync(channel, contract.Open(ChannelContract.ValueToOpen(deposit), QueryId()), cancellationToken);
        await WaitAsync(channel, record => record.State != ChannelPhase.Opening, cancellationToken);
        if (channel.Phase != ChannelPhase.Open)
        {
            throw new PaymentException(PaymentErrorCode.Chain, "The channel's opening did not go through in its window; the deposit came back.");
        }

        Log.Opened(_logger, channel.Channel, channel.Peer, channel.Record.Deposit);
        return channel;
    }

    /// <summary>An opening that never left the wallet is forgotten: it cost nothing and counts against no limit.</summary>
    private async Task SendOpenAsync(ClientChannel channel, InternalMessage open, CancellationToken cancellationToken)
    {
        using CancellationTokenSource clock = new(_options.OpenTimeout, _time);
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, clock.Token);
        try
        {
            await SendAsync(_wallet, new PaymentIntent($"open:{channel.Channel}", open), linked.Token);
        }
        catch (PaymentException exception) when (exception.Code == PaymentErrorCode.Funds)
        {
            Forget(channel);
            await _store.RemoveUnsentAsync(channel.Channel, CancellationToken.None);
            throw;
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PaymentException(
                PaymentErrorCode.Chain, $"The opening could not be sent within {_options.OpenTimeout.TotalSeconds:0} s; should it still leave after its window, the deposit comes back.");
        }
    }

    private void CheckTerms(ProviderTerms terms)
    {
        if (terms.CodeHash != ChannelContract.CodeHash)
        {
            throw new PaymentException(PaymentErrorCode.Terms, $"The provider wants channel code {terms.CodeHash}, which this version does not know.");
        }

        if (terms.MinChallengeSeconds > _options.MaxChallengeSeconds)
        {
            throw new PaymentException(
                PaymentErrorCode.Terms, $"The provider wants a challenge of {terms.MinChallengeSeconds} s, the most accepted is {_options.MaxChallengeSeconds} s.");
        }

        if (terms.MinDeposit > _options.DepositCapPerProvider)
        {
            throw new PaymentException(
                PaymentErrorCode.Terms, $"The provider wants a deposit of {terms.MinDeposit} nanoTON, the most for one provider is {_options.DepositCapPerProvider}.");
        }

        if (!terms.ProviderKey.IsPrimeOrder() || terms.Payout.Workchain != 0)
        {
            throw new PaymentException(PaymentErrorCode.Terms, "The provider's key is no valid key, or its payout address is not in the basechain.");
        }

        if (_store.CountOpenedSince(_time.GetUtcNow().AddHours(-1)) >= _options.OpensPerHour)
        {
            throw new PaymentException(PaymentErrorCode.Limit, $"{_options.OpensPerHour} channels were opened within the hour, the most allowed unattended.");
        }
    }

    private void CheckCap(PeerId peer, ulong more)
    {
        ulong tied = 0;
        foreach (ClientChannel channel in Channels)
        {
            if (channel.Peer == peer)
            {
                tied = checked(tied + channel.Record.Deposit);
            }
        }

        if (more > _options.DepositCapPerProvider || tied > _options.DepositCapPerProvider - more)
        {
            throw new PaymentException(
                PaymentErrorCode.Limit, $"{tied} nanoTON are tied up with this provider, {more} more would pass the cap of {_options.DepositCapPerProvider}.");
        }
    }

    private ClientChannel Materialize(ClientChannelRecord record) => new(
        _store, record, ChannelTerms.DerivePayKey(_wallet.Key, record.ProviderKey, record.GlobalId, record.Salt), _options, _time);

    private static partial class Log
    {
        [LoggerMessage(4101, LogLevel.Information, "Opened channel {Channel} to {Peer}; it can pay {Deposit} nanoTON")]
        public static partial void Opened(ILogger logger, CellHash channel, PeerId peer, ulong deposit);

        [LoggerMessage(4102, LogLevel.Warning, "Channel {Channel} could not be read: {Detail}")]
        public static partial void NotRefreshed(ILogger logger, CellHash channel, string detail);
    }
}
